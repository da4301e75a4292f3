"""The names and shapes of a checkpoint's tensors as a short list: shared by the scripts that write
lists of public checkpoints."""

import json
import math
import re


def describe(name, also, config, model, rename, tensors, parameters):
    """The list of one checkpoint, as JSON has it.

    `also` are checkpoints of the same shapes, `config` the fields of config.json that matter,
    `model` a model on the meta device, `rename` what makes names of files of its names. A name with
    `{i}` stands for one tensor of each layer of its stack. The counts must be `tensors` and
    `parameters`.
    """
    tied = model.all_tied_weights_keys
    shapes = {rename(key): list(value.shape) for key, value in model.state_dict().items()
              if key not in tied}
    counted = sum(math.prod(shape) for shape in shapes.values())
    assert (len(shapes), counted) == (tensors, parameters), (name, len(shapes), counted)
    patterns, layers = {}, {}
    for key, shape in sorted(shapes.items()):
        pattern = re.sub(r"\.layers\.\d+\.", ".layers.{i}.", key)
        assert patterns.setdefault(pattern, shape) == shape, (name, key)
        if pattern != key:
            stack, layer = re.match(r"(.+\.layers)\.(\d+)\.", key).groups()
            layers[stack] = max(layers.get(stack, 0), int(layer) + 1)
    stacked = sum(next((count for stack, count in layers.items() if pattern.startswith(stack)), 1)
                  for pattern in patterns)
    assert stacked == tensors, (name, stacked)
    return {"name": name, "also": also, "config": config, "count": tensors,
            "parameters": parameters, "layers": layers, "tensors": patterns}


def write_lists(folder, lists):
    """Writes each list into a file of its name."""
    folder.mkdir(parents=True, exist_ok=True)
    for entry in lists:
        text = json.dumps(entry, separators=(",", ":"))
        (folder / f"{entry['name']}.json").write_text(text + "\n")
