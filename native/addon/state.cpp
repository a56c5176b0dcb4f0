#include "addon/state.h"

#include <algorithm>

namespace striate::addon {

Napi::Error makeError(Napi::Env env, const Error& error) {
  Napi::Error result = Napi::Error::New(env, error.what());
  result.Set("code", Napi::String::New(env, name(error.code())));
  return result;
}

void Job::runAndKeepError() noexcept {
  try {
    run();
  } catch (const Error& error) {
    error_ = error;
  } catch (const std::bad_alloc&) {
    error_ = Error(ErrorCode::OutOfDeviceMemory, "the host has no memory left");
  } catch (const std::exception& error) {
    error_ = Error(ErrorCode::DeviceError, error.what());
  }
}

void Job::settle(Napi::Env env) {
  if (error_) {
    deferred_.Reject(makeError(env, *error_).Value());
    return;
  }
  try {
    deferred_.Resolve(result(env));
  } catch (const Napi::Error& error) {
    deferred_.Reject(error.Value());
  }
}

State::State(Napi::Env env) : callback_(Callback::New(env, "striate", 0, 1, this)) {
  callback_.Unref(env);
  // Added after the callback's own hook, so it runs before it: no thread calls a callback that is gone.
  env.AddCleanupHook([this] { shutDown(); });
}

Napi::Value State::submit(Napi::Env env, std::unique_ptr<Job> owned) {
  Job* job = owned.get();
  if (jobs_.empty()) callback_.Ref(env);
  jobs_.emplace(job, std::move(owned));
  const Napi::Promise promise = job->promise();
  const bool queued = job->device().queue().push([job] { job->runAndKeepError(); },
                                                 [this, job] { callback_.NonBlockingCall(job); });
  if (!queued) {
    forget(env, job);
    throw Error(ErrorCode::Disposed, "the device is closed");
  }
  return promise;
}

void State::settle(Napi::Env env, Napi::Function, State* state, Job* job) {
  // Without an environment, or after its end, the jobs have been dropped.
  if (static_cast<napi_env>(env) == nullptr || state->ended_) return;
  try {
    job->settle(env);
  } catch (const Napi::Error&) {
    // The environment is being torn down: nobody waits for the promise.
  }
  state->forget(env, job);
}

void State::forget(Napi::Env env, Job* job) {
  jobs_.erase(job);
  if (jobs_.empty()) callback_.Unref(env);
}

void State::add(const std::shared_ptr<OpenDevice>& device) {
  devices_.erase(
      std::remove_if(devices_.begin(), devices_.end(), [](const auto& d) { return d.expired(); }),
      devices_.end());
  devices_.push_back(device);
}

// The environment ends, perhaps in the middle of a step: the instruction that runs is the last one.
void State::shutDown() {
  ended_ = true;
  for (const auto& device : devices_)
    if (const auto open = device.lock()) open->shutDown();
  jobs_.clear();
}

}  // namespace striate::addon
