// NativeExecutable: a program that is ready to run.
#pragma once
#include "addon/wrap.h"
#include "runtime/executable.h"

namespace striate::addon {

class ExecutableWrap : public Wrap<ExecutableWrap> {
 public:
  static constexpr napi_type_tag kTag = {0xc63a07e94b51d8f2, 0x7d482b9fe0136ca5};

  static Napi::Function define(Napi::Env env);
  static Napi::Value create(Napi::Env env, const std::shared_ptr<OpenDevice>& device,
                            const Napi::Value& description);

  explicit ExecutableWrap(const Napi::CallbackInfo& info);

 private:
  Napi::Value stage(const Napi::CallbackInfo& info);
  Napi::Value run(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);

  Executable& executable() const;

  struct Payload {
    std::shared_ptr<OpenDevice> device;
    std::shared_ptr<Executable> executable;
    std::vector<Napi::Object> buffers;
  };
  std::shared_ptr<OpenDevice> device_;
  std::shared_ptr<Executable> executable_;  // null once disposed
  // Its memory's objects: the collector leaves them alone as long as the program may run.
  std::vector<Napi::ObjectReference> buffers_;
};

}  // namespace striate::addon
