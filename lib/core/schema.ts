/** What a module says of its methods; made natively, see `native/runtime/schema.h`. */

/** One named tensor that a method takes or gives. */
export interface TensorSpec {
  name: string;
  /** Accepted dtypes; empty accepts all. */
  dtypes: string[];
  /** A number (`"3"`), a symbol (`"B"`) that must agree within a call, or a leading `"..."`. */
  shape: string[];
  optional: boolean;
  /** The dimension that calls may be batched over; -1 where there is none. */
  batchAxis: number;
}

/** One option of a method: what `args` of a call may hold. */
export interface OptionSpec {
  name: string;
  /** `json` is any value, which the method checks itself. */
  type: "bool" | "int" | "float" | "string" | "int[]" | "json";
  /** What is taken where a call leaves it out; `null` for nothing. */
  default: unknown;
  doc: string;
  optional: boolean;
}

export interface MethodSchema {
  name: string;
  doc: string;
  inputs: TensorSpec[];
  outputs: TensorSpec[];
  options: OptionSpec[];
  /** What one streamed item holds; empty where the method streams nothing. */
  stream: TensorSpec[];
}

/** A tensor of the checkpoint contract. */
export interface ParameterInfo {
  name: string;
  shape: number[];
  dtype: string;
}

/** A module's methods, taps and parameters. */
export interface ModuleDescription {
  methods: MethodSchema[];
  taps: string[];
  parameters: ParameterInfo[];
  /** Of a program: what its package tells of each method. */
  metadata?: Record<string, Record<string, string>>;
}

/** `encode(pixel_values: float32 [B, C, H, W]) -> last_hidden_state: float32 [B, N, d]` */
export function formatMethod(method: MethodSchema): string {
  const inputs = method.inputs.map(formatTensor).join(", ");
  const outputs = method.outputs.map(formatTensor).join(", ");
  return `${method.name}(${inputs}) -> ${outputs}`;
}

function formatTensor(spec: TensorSpec): string {
  const dtypes = spec.dtypes.join("|") || "any";
  return `${spec.name}${spec.optional ? "?" : ""}: ${dtypes} [${spec.shape.join(", ")}]`;
}
