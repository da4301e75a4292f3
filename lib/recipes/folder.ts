/** The folder of a run. */
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TorchsightError } from "../core/errors.js";
import { latestCheckpoint } from "../train/index.js";
import { type Recipe, readRecipe } from "./recipe.js";
import { checkSameRun } from "./same_run.js";
import { replaceFile, replaceFolder } from "./whole.js";

const RECIPE = "recipe.json";

/** Paths of what a run leaves, beside its checkpoints. */
export class RunFolder {
  constructor(readonly path: string) {}

  get metrics(): string {
    return join(this.path, "metrics.jsonl");
  }

  /** Without its ending. */
  get curve(): string {
    return join(this.path, "curve");
  }

  get model(): string {
    return join(this.path, "model");
  }

  /** The recipe that the run was begun with. Throws `NOT_FOUND` where there is no run. */
  recipe(): Recipe {
    const file = join(this.path, RECIPE);
    if (existsSync(file)) return readRecipe(file);
    throw new TorchsightError("NOT_FOUND", `there is no run in ${this.path}`);
  }

  /**
   * Makes the folder for a new run, or finds the checkpoint to go on from. Throws `BAD_INPUT` where
   * another run would be lost, `NOT_FOUND` where there is none to go on from, and `BAD_CONFIG`
   * where it is another recipe's.
   */
  prepare(recipe: Recipe, resume: boolean): string | undefined {
    const checkpoint = latestCheckpoint(this.path);
    if (resume) {
      if (checkpoint === undefined) {
        throw new TorchsightError("NOT_FOUND", `there is no checkpoint in ${this.path}`);
      }
      checkSameRun(this.recipe(), recipe, this.path);
    } else if (checkpoint !== undefined) {
      const message = `expected a folder without a run but received ${this.path}`;
      throw new TorchsightError("BAD_INPUT", `${message}; resume that run, or take another folder`);
    }
    mkdirSync(this.path, { recursive: true });
    return checkpoint;
  }

  /** Notes the recipe as it is used, with every default. */
  note(recipe: Recipe): void {
    replaceFile(join(this.path, RECIPE), `${JSON.stringify(recipe, null, 2)}\n`);
  }

  /** Replaces the trained model by what `save` writes, once that is whole. */
  async replaceModel(card: string, save: (folder: string) => Promise<void>): Promise<void> {
    await replaceFolder(this.model, async (fresh) => {
      await save(fresh);
      writeFileSync(join(fresh, "README.md"), card);
      copyFileSync(join(this.path, RECIPE), join(fresh, RECIPE));
    });
  }
}
