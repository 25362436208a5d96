/** JSON Schema, as far as people read it. */

import { isRecord } from "../api";

export interface Argument {
  name: string;
  kind: string;
  required: boolean;
  description: string;
}

export function argumentsOf(schema: Record<string, unknown>): Argument[] {
  const properties = isRecord(schema.properties) ? schema.properties : {};
  const required = Array.isArray(schema.required) ? schema.required : [];
  return Object.entries(properties).map(([name, field]) => ({
    name,
    kind: kindOf(field),
    required: required.includes(name),
    description: isRecord(field) && typeof field.description === "string" ? field.description : "",
  }));
}

export function kindOf(field: unknown): string {
  if (!isRecord(field)) return "anything";
  const choices = field.anyOf ?? field.oneOf;
  if (Array.isArray(choices)) return choices.map(kindOf).join(" or ");
  if (Array.isArray(field.enum)) return field.enum.map((value) => JSON.stringify(value)).join(" or ");
  if ("const" in field) return JSON.stringify(field.const) ?? "anything";
  if (field.type === "array") return `list of ${kindOf(field.items)}`;
  if (typeof field.$ref === "string") return field.$ref.split("/").at(-1) ?? "object";
  return typeof field.type === "string" ? field.type : "anything";
}
