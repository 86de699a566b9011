/** A configuration as a tree that can be searched. */

export type Value = string | number | boolean | null | Value[] | { [key: string]: Value };

/** What stands in the place of a secret. */
export const SECRET = "•••";

export interface Node {
  key: string;
  /** With points, as the reference writes it. */
  path: string;
  /** Of a leaf, as YAML would have it. */
  text: string | null;
  isSecret: boolean;
  children: Node[];
}

export function tree(value: Value, path = ""): Node[] {
  if (value === null || typeof value !== "object" || isPlain(value)) {
    return [];
  }
  const entries: [string, Value][] = Array.isArray(value) ? value.map((one, at) => [String(at), one]) : Object.entries(value);
  return entries.map(([key, one]) => {
    const here = path === "" ? key : `${path}.${key}`;
    const children = tree(one, here);
    return { key, path: here, text: children.length > 0 ? null : written(one), isSecret: one === SECRET, children };
  });
}

/** Those whose path or value has all of the words, with what leads to them. */
export function found(nodes: readonly Node[], search: string): Node[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  return words.length === 0 ? [...nodes] : nodes.flatMap((node) => kept(node, words));
}

export function leaves(nodes: readonly Node[]): number {
  return nodes.reduce((sum, node) => sum + (node.text === null ? leaves(node.children) : 1), 0);
}

function kept(node: Node, words: readonly string[]): Node[] {
  const said = `${node.path} ${node.text ?? ""}`.toLowerCase();
  if (words.every((word) => said.includes(word))) {
    return [node];
  }
  const children = node.children.flatMap((child) => kept(child, words));
  return children.length === 0 ? [] : [{ ...node, children }];
}

function written(value: Value): string {
  if (value === null) {
    return "null";
  }
  if (typeof value === "object") {
    return Array.isArray(value) ? `[${value.map(written).join(", ")}]` : "{}";
  }
  return value === "" ? '""' : String(value);
}

/** A list of values fits into one line. */
function isPlain(value: Value): boolean {
  return Array.isArray(value) && value.every((one) => one === null || typeof one !== "object");
}
