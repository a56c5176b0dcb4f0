#include "emulator/card.h"

namespace striate::emulator {

Card& card() {
  static Card instance;
  return instance;
}

}  // namespace striate::emulator
