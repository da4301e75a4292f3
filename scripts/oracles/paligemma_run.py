"""Runs transformers' PaliGemma: shared by paligemma.py and its check."""

import torch

from gemma_run import decoder_modules, hide_padding, note_outputs

# What is given to generation, by the names in inputs.safetensors.
PROMPT = {"input_ids": "prompt.input_ids", "attention_mask": "prompt.attention_mask",
          "pixel_values": "pixel_values"}


def forward_inputs(inputs, dtype):
    """The inputs of a forward pass, pixels in the dtype of the model."""
    chosen = {name: value for name, value in inputs.items() if not name.startswith("prompt.")}
    return in_dtype(chosen, dtype)


def prompt_inputs(inputs, dtype):
    """The inputs of generation: all of the prompt is prefix, so all its types are 0."""
    chosen = {name: inputs[key] for name, key in PROMPT.items() if key in inputs}
    return in_dtype({**chosen, "token_type_ids": torch.zeros_like(chosen["input_ids"])}, dtype)


def in_dtype(inputs, dtype):
    return {name: value.to(dtype) if value.is_floating_point() else value
            for name, value in inputs.items()}


def suffix_logprobs(logits, inputs):
    """Log-probabilities [B, S] of the tokens after the prompts, 0 at padding."""
    length = inputs["prompt.input_ids"].shape[1]
    suffix = inputs["input_ids"][:, length:, None]
    logprobs = logits[:, length - 1:-1].log_softmax(-1).gather(-1, suffix)
    return hide_padding(logprobs, inputs["attention_mask"][:, length:])[..., 0]


@torch.no_grad()
def run(model, inputs):
    """Results and taps of a forward pass in the dtype of the model: {name: tensor}."""
    tower, decoder = model.model.vision_tower, model.model.language_model
    vision = {"vision.embeddings": tower.embeddings,
              **{f"vision.blocks.{l}": layer for l, layer in enumerate(tower.encoder.layers)}}
    seen, hooks = note_outputs({**vision, **decoder_modules(decoder)})

    def note_embeddings(_module, _args, kwargs):
        seen["embeddings"] = kwargs["inputs_embeds"]

    hooks.append(decoder.register_forward_pre_hook(note_embeddings, with_kwargs=True))
    outputs = model(**forward_inputs(inputs, model.dtype))
    for hook in hooks:
        hook.remove()
    results = {"logits": outputs.logits, **seen}
    results = {name: value if name in vision else hide_padding(value, inputs["attention_mask"])
               for name, value in results.items()}
    if outputs.image_hidden_states is not None:
        results["image_hidden_states"] = outputs.image_hidden_states
    if inputs["input_ids"].shape != inputs["prompt.input_ids"].shape:
        results["logprobs"] = suffix_logprobs(outputs.logits, inputs)
    return results
