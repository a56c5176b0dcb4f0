#include "runtime/open_device.h"

#include "runtime/error.h"

namespace striate {

namespace {

constexpr const char* kOwnCategory = "scratch";
// Of tensors that come and go with eager ops.
constexpr const char* kEagerCategory = "tensors";

std::string outOfMemory(std::size_t bytes, const std::string& category,
                        const MemoryAccount::Report& report) {
  std::string message = "no room for " + std::to_string(bytes) + " bytes of " + category + ": " +
                        std::to_string(report.allocated) + " bytes are allocated";
  if (report.limit != 0) message += " of a limit of " + std::to_string(report.limit);
  return message;
}

}  // namespace

// Frees a block's memory when the last task that could use it has gone, run or dropped.
struct OpenDevice::Release {
  OpenDevice& owner;
  std::shared_ptr<Block> block;
  bool counted;

  ~Release() {
    owner.device_->release(block->data, block->bytes);
    if (counted) owner.account_.remove(block->category, block->bytes);
  }
};

OpenDevice::OpenDevice(std::unique_ptr<Device> device, std::size_t memoryLimit)
    : device_(std::move(device)), account_(memoryLimit) {
  const std::size_t own = device_->info().ownBytes;
  if (own != 0 && !account_.add(kOwnCategory, own))
    throw Error(ErrorCode::OutOfDeviceMemory, outOfMemory(own, kOwnCategory, account_.report()));
}

OpenDevice::~OpenDevice() { shutDown(); }

Device& OpenDevice::device() {
  if (closed_) throw Error(ErrorCode::Disposed, "the device is closed");
  return *device_;
}

void* OpenDevice::take(std::size_t bytes, const std::string& category) {
  if (!account_.add(category, bytes)) return nullptr;
  const MemoryKind kind = category == kEagerCategory ? MemoryKind::Eager : MemoryKind::Planned;
  void* data = nullptr;
  try {
    data = device_->allocate(bytes, kind);
  } catch (...) {
    account_.remove(category, bytes);
    throw;
  }
  if (data == nullptr) account_.remove(category, bytes);
  return data;
}

std::shared_ptr<Block> OpenDevice::allocate(std::size_t bytes, const std::string& category) {
  device();
  auto block = std::make_shared<Block>();
  block->bytes = bytes;
  block->category = category;
  void* data = take(bytes, category);
  if (data == nullptr && !queue_.idle()) {
    queue_.drain();
    data = take(bytes, category);
  }
  if (data == nullptr)
    throw Error(ErrorCode::OutOfDeviceMemory, outOfMemory(bytes, category, account_.report()));
  block->data = static_cast<char*>(data);
  blocks_.insert(block);
  return block;
}

void OpenDevice::dispose(const std::shared_ptr<Block>& block) {
  if (block->disposed.exchange(true) || closed_) return;
  blocks_.erase(block);
  // Unmapping much memory takes milliseconds, which the calling thread shall not pay; with nothing
  // queued the bytes are given back in the account at once.
  constexpr std::size_t kQuick = std::size_t(1) << 20;
  const bool idle = queue_.idle();
  if (idle) account_.remove(block->category, block->bytes);
  auto release = std::shared_ptr<Release>(new Release{*this, block, !idle});
  if (idle && block->bytes <= kQuick) return;
  if (idle)
    queue_.pushUnseen([release] {});
  else
    queue_.push([release] {});
}

void OpenDevice::forget(std::uint64_t program) noexcept {
  if (device_) device_->forget(program);
}

void OpenDevice::releaseAll() noexcept {
  for (const auto& block : blocks_) {
    block->disposed = true;
    device_->release(block->data, block->bytes);
    account_.remove(block->category, block->bytes);
  }
  blocks_.clear();
}

void OpenDevice::shutDown() noexcept {
  closed_ = true;
  queue_.stop();
  if (!device_) return;
  releaseAll();
  const std::size_t own = device_->info().ownBytes;
  if (own != 0) account_.remove(kOwnCategory, own);
  device_.reset();
}

}  // namespace striate
