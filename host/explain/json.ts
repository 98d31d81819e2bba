// An explanation as JSON. user_data is a u64: printed as a number however large it is, as the events of programs have it.
import { printableJson } from "../core/printable.ts";
import type { Explanation } from "./shape.ts";

const MARK = "\u0001u64:";
const MARKED = new RegExp(`"${JSON.stringify(MARK).slice(1, -1).replaceAll("\\", "\\\\")}(\\d+)"`, "g");

export function jsonText(explanation: Explanation): string {
  const text = JSON.stringify(explanation, (_key, value) => (typeof value === "bigint" ? `${MARK}${value}` : value), 2);
  return printableJson(text.replace(MARKED, "$1"));
}
