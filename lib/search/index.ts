/** Search among embeddings. */
export { EmbeddingIndex, type Match } from "./embedding_index.js";
export type { IndexEntry, Metadata } from "./entries.js";
export type { Embedding } from "./vectors.js";
