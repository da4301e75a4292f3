#include "models/imagen_video/denoiser.h"

namespace torchsight::imagen_video {

at::Tensor StageDenoiser::predict(const at::Tensor& z_BS, const at::Tensor& logsnr_B,
                                  const NamedTensors& conditions, JobContext& context) {
  Call call;
  call.inputs = {{"z", z_BS}, {"logsnr", logsnr_B}};
  call.inputs.insert(call.inputs.end(), conditions.begin(), conditions.end());
  call.options = Json::Object{};
  return module_.run("predict", call, context).front().second;
}

}  // namespace torchsight::imagen_video
