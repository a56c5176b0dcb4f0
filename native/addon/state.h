// What the addon keeps for one JavaScript environment (the main thread or a worker): its classes, its
// open devices, and the jobs whose promises are not settled.
#pragma once
#include <napi.h>

#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "runtime/error.h"
#include "runtime/open_device.h"

namespace striate::addon {

// Work on a device's queue that a promise stands for. Made, settled and deleted on the JavaScript
// thread; only `run` is elsewhere.
class Job {
 public:
  Job(Napi::Env env, std::shared_ptr<OpenDevice> device)
      : device_(std::move(device)), deferred_(Napi::Promise::Deferred::New(env)) {}
  virtual ~Job() = default;
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  // On the queue's thread. May throw.
  virtual void run() {}
  // What the promise resolves to.
  virtual Napi::Value result(Napi::Env env) { return env.Undefined(); }

  OpenDevice& device() const { return *device_; }
  Napi::Promise promise() const { return deferred_.Promise(); }

 private:
  friend class State;
  void runAndKeepError() noexcept;
  void settle(Napi::Env env);

  std::shared_ptr<OpenDevice> device_;
  Napi::Promise::Deferred deferred_;
  std::optional<Error> error_;
};

class State {
 public:
  explicit State(Napi::Env env);
  static State& of(Napi::Env env) { return *env.GetInstanceData<State>(); }

  // Queues a job; the promise settles when it has run.
  Napi::Value submit(Napi::Env env, std::unique_ptr<Job> job);

  void add(const std::shared_ptr<OpenDevice>& device);

  Napi::FunctionReference deviceClass, bufferClass, executableClass;
  // What the constructor that runs next shall wrap: JavaScript cannot make these objects itself.
  const void* construction = nullptr;

 private:
  static void settle(Napi::Env env, Napi::Function, State*, Job* job);
  using Callback = Napi::TypedThreadSafeFunction<State, Job, settle>;

  void forget(Napi::Env env, Job* job);
  void shutDown();

  // Keeps the process alive only while a job is under way.
  Callback callback_;
  std::unordered_map<Job*, std::unique_ptr<Job>> jobs_;
  std::vector<std::weak_ptr<OpenDevice>> devices_;
  bool ended_ = false;
};

// The JavaScript error: its `code` is the stable one.
Napi::Error makeError(Napi::Env env, const Error& error);

// Calls f; what it throws becomes a JavaScript error with a code.
template <class F>
auto guard(Napi::Env env, F&& f) -> decltype(f()) {
  try {
    return f();
  } catch (const Napi::Error&) {
    throw;
  } catch (const Error& error) {
    throw makeError(env, error);
  } catch (const std::bad_alloc&) {
    throw makeError(env, Error(ErrorCode::OutOfDeviceMemory, "the host has no memory left"));
  } catch (const std::exception& error) {
    throw makeError(env, Error(ErrorCode::DeviceError, error.what()));
  }
}

}  // namespace striate::addon
