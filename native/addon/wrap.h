// The base of the addon's classes: made by the addon alone, tagged, and with methods that turn every
// failure into a JavaScript error with a code.
#pragma once
#include <napi.h>

#include "addon/state.h"

namespace striate::addon {

template <class T>
class Wrap : public Napi::ObjectWrap<T> {
 public:
  explicit Wrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<T>(info) {
    if (State::of(info.Env()).construction == nullptr)
      throw Napi::TypeError::New(info.Env(), "objects of this class are made by the addon only");
    info.This().As<Napi::Object>().TypeTag(&T::kTag);
  }

  // The native side of a JavaScript value; nullptr when it is something else.
  static T* from(const Napi::Value& value) {
    if (!value.IsObject()) return nullptr;
    const Napi::Object object = value.As<Napi::Object>();
    return object.CheckTypeTag(&T::kTag) ? T::Unwrap(object) : nullptr;
  }

 protected:
  // Makes the JavaScript object for `payload`, which the constructor of T copies.
  template <class Payload>
  static Napi::Object make(Napi::Env env, const Napi::FunctionReference& constructor,
                           const Payload& payload) {
    State& state = State::of(env);
    state.construction = &payload;
    try {
      const Napi::Object object = constructor.New({});
      state.construction = nullptr;
      return object;
    } catch (...) {
      state.construction = nullptr;
      throw;
    }
  }

  template <class Payload>
  static const Payload& payload(const Napi::CallbackInfo& info) {
    return *static_cast<const Payload*>(State::of(info.Env()).construction);
  }

  using Method = Napi::Value (T::*)(const Napi::CallbackInfo&);

  template <Method method>
  Napi::Value guarded(const Napi::CallbackInfo& info) {
    return guard(info.Env(), [&] { return (static_cast<T*>(this)->*method)(info); });
  }

  template <Method method>
  static Napi::ClassPropertyDescriptor<T> expose(const char* name) {
    return Napi::ObjectWrap<T>::InstanceMethod(
        name, static_cast<Method>(&Wrap::template guarded<method>));
  }

  template <Method method>
  static Napi::ClassPropertyDescriptor<T> exposeGetter(const char* name) {
    return Napi::ObjectWrap<T>::InstanceAccessor(
        name, static_cast<Method>(&Wrap::template guarded<method>), nullptr);
  }
};

}  // namespace striate::addon
