// A device in a library of its own: the adapter over the C interface of plugin.h.
#pragma once
#include <memory>
#include <string>

#include "runtime/device.h"

namespace striate {

struct PluginFacts {
  std::string packageVersion, sourceHash;
  int devices = 0;
  std::string failure;  // why there is none
};

// Opens the library at an absolute path. Throws DEVICE_UNAVAILABLE for a file that cannot be opened, is no
// device library, or speaks another version of the interface.
PluginFacts describePlugin(const std::string& path);

std::unique_ptr<Device> openPluginDevice(const std::string& path, int index);

// Carries out a command that tests give to the library; throws INVALID_ARGUMENT where it knows none.
std::string inspectPlugin(const std::string& path, const std::string& command);

}  // namespace striate
