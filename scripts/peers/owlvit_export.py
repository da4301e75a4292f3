"""Writes transformers' OWL-ViT or OWLv2 as an ONNX file, for one picture and any texts.

    python scripts/peers/owlvit_export.py FOLDER OUT.onnx

Inputs: pixel_values [1, 3, H, W], input_ids and attention_mask [queries, length] int64. Outputs:
logits [1, P, queries], pred_boxes [1, P, 4]; the names are those that transformers.js knows. Needs
transformers, onnx and onnxscript.
"""

import sys

import torch
from transformers import AutoModelForZeroShotObjectDetection


class Detector(torch.nn.Module):
    """The model with the two outputs that detecting needs."""

    def __init__(self, folder):
        super().__init__()
        self.model = AutoModelForZeroShotObjectDetection.from_pretrained(folder)
        self.side = self.model.config.vision_config.image_size

    def forward(self, input_ids, attention_mask, pixel_values):
        outputs = self.model(input_ids=input_ids, attention_mask=attention_mask,
                             pixel_values=pixel_values)
        return outputs.logits, outputs.pred_boxes


@torch.inference_mode()
def main():
    folder, out = sys.argv[1:]
    detector = Detector(folder).eval()
    ids = torch.tensor([[49406, 2368, 320, 1125, 49407]] * 3)
    pixels = torch.zeros(1, 3, detector.side, detector.side)
    texts = {0: torch.export.Dim("queries", min=1, max=1000),
             1: torch.export.Dim("length", min=2, max=16)}
    torch.onnx.export(
        detector, (ids, torch.ones_like(ids), pixels), out,
        input_names=["input_ids", "attention_mask", "pixel_values"],
        output_names=["logits", "pred_boxes"], dynamo=True, external_data=False, opset_version=20,
        dynamic_shapes={"input_ids": texts, "attention_mask": texts, "pixel_values": None})


if __name__ == "__main__":
    main()
