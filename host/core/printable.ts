// Text of a program for a terminal: bytes that would move its cursor or colour it are shown as what they are.

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

const escaped = (character: string): string => {
  const code = character.charCodeAt(0);
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16)}`;
};

/** Every control character but the line feed, and those that turn the direction of writing, as `\x1b` or `\u202e`. */
export const printable = (text: string): string => text.replace(CONTROL, escaped);

/** JSON in which no control character is left that JSON allows and a terminal obeys. */
export const printableJson = (json: string): string =>
  json.replace(/[\u007f-\u009f]/g, (found) => `\\u00${found.charCodeAt(0).toString(16)}`);
