// NativeBuffer: a block of device memory.
#pragma once
#include "addon/wrap.h"

namespace striate::addon {

class BufferWrap : public Wrap<BufferWrap> {
 public:
  static constexpr napi_type_tag kTag = {0x5f1c3b6a9d2e4871, 0x8b0cf2a64e9d1c35};

  static Napi::Function define(Napi::Env env);
  static Napi::Object make(Napi::Env env, std::shared_ptr<OpenDevice> device,
                           std::shared_ptr<Block> block);

  explicit BufferWrap(const Napi::CallbackInfo& info);
  ~BufferWrap() override;

  // The block, if `value` is a live buffer of `device`; otherwise throws and names the argument.
  static std::shared_ptr<Block> block(const Napi::Value& value, const OpenDevice& device,
                                      const char* name);

 private:
  Napi::Value byteLength(const Napi::CallbackInfo& info);
  Napi::Value disposed(const Napi::CallbackInfo& info);
  Napi::Value write(const Napi::CallbackInfo& info);
  Napi::Value read(const Napi::CallbackInfo& info);
  Napi::Value readSync(const Napi::CallbackInfo& info);
  Napi::Value fill(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);

  struct Range {
    std::size_t offset, length;
  };
  void requireLive() const;
  Range range(const Napi::Value& offset, const Napi::Value& length) const;
  Range range(const Napi::Value& offset, std::size_t length) const;

  struct Payload {
    std::shared_ptr<OpenDevice> device;
    std::shared_ptr<Block> block;
  };
  std::shared_ptr<OpenDevice> device_;
  std::shared_ptr<Block> block_;
};

}  // namespace striate::addon
