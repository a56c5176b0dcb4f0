// NativeDevice: an open device.
#pragma once
#include "addon/wrap.h"

namespace striate::addon {

class DeviceWrap : public Wrap<DeviceWrap> {
 public:
  static constexpr napi_type_tag kTag = {0x2d7e90b1c4a8f653, 0x91e5d3706bfa2c48};

  static Napi::Function define(Napi::Env env);
  // createDevice(options)
  static Napi::Value create(const Napi::CallbackInfo& info);

  explicit DeviceWrap(const Napi::CallbackInfo& info);

 private:
  Napi::Value info(const Napi::CallbackInfo& info);
  Napi::Value memory(const Napi::CallbackInfo& info);
  Napi::Value allocate(const Napi::CallbackInfo& info);
  Napi::Value execute(const Napi::CallbackInfo& info);
  Napi::Value createExecutable(const Napi::CallbackInfo& info);
  Napi::Value synchronize(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);
  Napi::Value closed(const Napi::CallbackInfo& info);

  std::shared_ptr<OpenDevice> device_;
  Napi::Reference<Napi::Promise> closing_;
};

}  // namespace striate::addon
