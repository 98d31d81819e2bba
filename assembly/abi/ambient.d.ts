// The AssemblyScript number types, for tsc: the files of this folder are compiled by both.
declare type u8 = number;
declare type u32 = number;
declare type i32 = number;
declare type usize = number;
declare type StaticArray<T> = T[];
