// Programs that a command brings along: the build puts their text into the bundle.
declare module "*.zc" {
  const text: string;
  export default text;
}
