#include "addon/buffer.h"

#include <cstring>

#include "addon/arguments.h"

namespace striate::addon {

namespace {

// The bytes of a write, copied when it was called.
class WriteJob final : public Job {
 public:
  WriteJob(Napi::Env env, std::shared_ptr<OpenDevice> device, char* to, const Bytes& source)
      : Job(env, std::move(device)),
        to_(to),
        size_(source.size),
        copy_(allocateHostMemory(source.size)) {
    if (copy_ == nullptr) throw Error(ErrorCode::OutOfDeviceMemory, "the host has no memory left");
    std::memcpy(copy_, source.data, size_);
  }
  ~WriteJob() override { releaseHostMemory(copy_, size_); }
  void run() override { device().running().upload(to_, copy_, size_); }

 private:
  char* to_;
  std::size_t size_;
  void* copy_;
};

// Reads straight into the memory of the ArrayBuffer that the promise resolves to.
class ReadJob final : public Job {
 public:
  ReadJob(Napi::Env env, std::shared_ptr<OpenDevice> device, const char* from, std::size_t size)
      : Job(env, std::move(device)), from_(from), size_(size) {
    Napi::ArrayBuffer target = newArrayBuffer(env, size);
    data_ = target.Data();
    target_ = Napi::Reference<Napi::ArrayBuffer>::New(target, 1);
  }
  void run() override { device().running().download(data_, from_, size_); }
  Napi::Value result(Napi::Env) override { return target_.Value(); }

 private:
  const char* from_;
  std::size_t size_;
  void* data_;
  Napi::Reference<Napi::ArrayBuffer> target_;
};

class FillJob final : public Job {
 public:
  FillJob(Napi::Env env, std::shared_ptr<OpenDevice> device, char* to, int value, std::size_t size)
      : Job(env, std::move(device)), to_(to), value_(value), size_(size) {}
  void run() override { device().running().fill(to_, value_, size_); }

 private:
  char* to_;
  int value_;
  std::size_t size_;
};

}  // namespace

Napi::Function BufferWrap::define(Napi::Env env) {
  return DefineClass(
      env, "NativeBuffer",
      {exposeGetter<&BufferWrap::byteLength>("byteLength"),
       exposeGetter<&BufferWrap::disposed>("disposed"), expose<&BufferWrap::write>("write"),
       expose<&BufferWrap::read>("read"), expose<&BufferWrap::readSync>("readSync"),
       expose<&BufferWrap::fill>("fill"), expose<&BufferWrap::dispose>("dispose")});
}

Napi::Object BufferWrap::make(Napi::Env env, std::shared_ptr<OpenDevice> device,
                              std::shared_ptr<Block> block) {
  return Wrap::make(env, State::of(env).bufferClass, Payload{std::move(device), std::move(block)});
}

BufferWrap::BufferWrap(const Napi::CallbackInfo& info) : Wrap(info) {
  device_ = payload<Payload>(info).device;
  block_ = payload<Payload>(info).block;
}

// Collected without `dispose`: the net.
BufferWrap::~BufferWrap() {
  if (device_) device_->dispose(block_);
}

std::shared_ptr<Block> BufferWrap::block(const Napi::Value& value, const OpenDevice& device,
                                         const char* name) {
  const BufferWrap* buffer = from(value);
  if (buffer == nullptr)
    throw Error(ErrorCode::InvalidArgument, std::string(name) + " is a buffer");
  if (buffer->device_.get() != &device)
    throw Error(ErrorCode::InvalidArgument, std::string(name) + " belongs to another device");
  buffer->requireLive();
  return buffer->block_;
}

void BufferWrap::requireLive() const {
  device_->device();
  if (block_->disposed) throw Error(ErrorCode::Disposed, "the buffer was disposed");
}

BufferWrap::Range BufferWrap::range(const Napi::Value& offset, std::size_t length) const {
  const auto at = static_cast<std::size_t>(integer(offset, "byteOffset", 0, kMaxSafeInteger));
  if (length > block_->bytes || at > block_->bytes - length)
    throw Error(ErrorCode::InvalidArgument,
                std::to_string(length) + " bytes at " + std::to_string(at) +
                    " reach beyond the buffer, which has " + std::to_string(block_->bytes));
  return {at, length};
}

BufferWrap::Range BufferWrap::range(const Napi::Value& offset, const Napi::Value& length) const {
  return range(offset, static_cast<std::size_t>(integer(length, "byteLength", 0, kMaxSafeInteger)));
}

Napi::Value BufferWrap::byteLength(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(block_->bytes));
}

Napi::Value BufferWrap::disposed(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), block_->disposed || device_->closed());
}

Napi::Value BufferWrap::write(const Napi::CallbackInfo& info) {
  requireLive();
  const Bytes source = bytes(info[1], "source");
  const Range to = range(info[0], source.size);
  // Nothing is before it and the memory is the host's: no copy of the copy.
  if (device_->device().info().hostMemory && device_->queue().idle()) {
    device_->device().upload(block_->data + to.offset, source.data, source.size);
    const auto done = Napi::Promise::Deferred::New(info.Env());
    done.Resolve(info.Env().Undefined());
    return done.Promise();
  }
  return State::of(info.Env())
      .submit(info.Env(),
              std::make_unique<WriteJob>(info.Env(), device_, block_->data + to.offset, source));
}

Napi::Value BufferWrap::read(const Napi::CallbackInfo& info) {
  requireLive();
  const Range from = range(info[0], info[1]);
  return State::of(info.Env())
      .submit(info.Env(), std::make_unique<ReadJob>(info.Env(), device_, block_->data + from.offset,
                                                    from.length));
}

Napi::Value BufferWrap::readSync(const Napi::CallbackInfo& info) {
  requireLive();
  const Range from = range(info[0], info[1]);
  Napi::ArrayBuffer target = newArrayBuffer(info.Env(), from.length);
  device_->queue().drain();
  if (from.length > 0)
    device_->device().download(target.Data(), block_->data + from.offset, from.length);
  return target;
}

Napi::Value BufferWrap::fill(const Napi::CallbackInfo& info) {
  requireLive();
  const Range to = range(info[0], info[1]);
  const int value = static_cast<int>(integer(info[2], "value", 0, 255));
  return State::of(info.Env())
      .submit(info.Env(), std::make_unique<FillJob>(info.Env(), device_, block_->data + to.offset,
                                                    value, to.length));
}

Napi::Value BufferWrap::dispose(const Napi::CallbackInfo& info) {
  device_->dispose(block_);
  return info.Env().Undefined();
}

}  // namespace striate::addon
