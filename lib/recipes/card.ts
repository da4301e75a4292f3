/** The page that explains a trained model to who finds its folder. */
import { describeMachine } from "../bench/report.js";
import type { Evaluation } from "./metrics.js";
import type { Recipe } from "./recipe.js";

/** What a page tells. */
export interface Card {
  recipe: Recipe;
  labels: readonly string[];
  parameters: number;
  /** Steps that were made. */
  steps: number;
  evaluation: Evaluation | undefined;
}

/** How a classifier is used, and how a stage of a cascade. */
const CLASSIFIER = {
  tag: "image-classification",
  example: [
    'import { ViT22B } from "torchsight";',
    "",
    'await using model = await ViT22B.load("path/to/this/folder");',
    'using result = await model.classify("picture.png");',
    "console.log(model.labels, await result.logits.toArray());",
  ],
};
const STAGE = {
  tag: "text-to-video",
  example: [
    'import { VideoStage } from "torchsight";',
    "",
    'await using stage = await VideoStage.load("path/to/this/folder");',
    'const { prediction } = await stage.module.call("predict", { z, logsnr, text, text_mask });',
  ],
};

/** A README in the form of Hugging Face's model cards. */
export function cardOf({ recipe, labels, parameters, steps, evaluation }: Card): string {
  const { system, description, license, batch, seed, data, trainer, init } = recipe;
  const { date, node, libtorch, cpu, threads } = describeMachine();
  const figures = evaluation ? figuresOf(evaluation) : [];
  const usage = system === "vit22b" ? CLASSIFIER : STAGE;
  const head = [
    "library_name: torchsight",
    `pipeline_tag: ${usage.tag}`,
    ...(license === undefined ? [] : [`license: ${license}`]),
    ...(init === undefined ? [] : [`base_model: ${JSON.stringify(init)}`]),
    `tags: [${system}]`,
  ];
  return [
    ["---", ...head, "---"].join("\n"),
    `# ${titleOf(recipe)}`,
    ...(description === undefined ? [] : [`${description}.`]),
    ["```ts", ...usage.example, "```"].join("\n"),
    ...(labels.length > 0 ? [`## Labels\n\n${labels.length}: ${shortened(labels)}.`] : []),
    "## Training",
    table([
      ["parameters", parameters.toLocaleString("en-US")],
      ["data", data.source ?? "not told"],
      ["steps", `${steps.toLocaleString("en-US")} of ${batch} samples`],
      ["optimizer", trainer.optimizer?.kind ?? "adamw"],
      ["schedule", scheduleOf(recipe)],
      ["averages of the weights", trainer.ema === undefined ? "none" : `decay ${trainer.ema}`],
      ["seed", String(seed)],
      ["date", date],
      ["machine", `${cpu}, ${threads} threads; Node ${node}, libtorch ${libtorch}`],
    ]),
    "Everything that decided on the run is in `recipe.json`.",
    ...(figures.length > 0 ? ["## Figures", table(figures)] : []),
    `## Licence\n\n${license ?? "Not stated by the recipe; that of the data has to be minded."}`,
    "",
  ].join("\n\n");
}

function titleOf({ system, data }: Recipe): string {
  return data.source === undefined ? system : `${system}, trained on ${data.source}`;
}

function scheduleOf({ trainer: { schedule = {} } }: Recipe): string {
  const { kind = "constant", peak = 1e-3, warmup = 0, cooldown = 0 } = schedule;
  const parts = [`${kind}, at most ${peak}`];
  if (warmup > 0) parts.push(`warm-up of ${warmup}`);
  if (cooldown > 0) parts.push(`cooldown of ${cooldown}`);
  return parts.join(", ");
}

function figuresOf({ samples, loss, meanAveragePrecision, accuracy }: Evaluation) {
  const on = `on ${samples} held-out samples`;
  const rows: [string, string][] = [[`loss ${on}`, loss.toFixed(4)]];
  if (meanAveragePrecision !== undefined) {
    rows.push([`mean average precision ${on}`, meanAveragePrecision.toFixed(4)]);
  }
  if (accuracy !== undefined) rows.push([`top-1 accuracy ${on}`, accuracy.toFixed(4)]);
  return rows;
}

/** Rows of two columns as Markdown. */
function table(rows: readonly (readonly [string, string])[]): string {
  const lines = rows.map(
    (row) => `| ${row.map((cell) => cell.replace(/\|/g, "\\|")).join(" | ")} |`,
  );
  return ["| | |", "| --- | --- |", ...lines].join("\n");
}

const NAMED = 40;

function shortened(labels: readonly string[]): string {
  const named = labels.slice(0, NAMED).join(", ");
  return labels.length > NAMED ? `${named} and ${labels.length - NAMED} others` : named;
}
