// The transforms of Winograd's convolution along one axis, for vectors of channels. Toom-Cook at the points
// 0, +-a (, +-b) and infinity: a tile of n = M + 2 inputs d becomes v, a filter of three taps g becomes u, and
// the products v*u become M outputs y. The gradient by the filters correlates n inputs with M gradients and
// gives three sums. What a product is divided by is part of the filter's transform, and of the sums'.
//
// The points 5/8 and 3/2 keep the numbers of a tile nearer together than 1 and 2 do: half the rounding error by
// norm, a third at most. Their products are exact in float32.
#pragma once
#include "cpu/simd.h"

#if defined(STRIATE_ISA)
namespace striate::cpu::STRIATE_ISA {

template <class T, int M>
struct Transforms;

// F(2, 3): points 0, +-1, infinity.
template <class T>
struct Transforms<T, 2> {
  using V = Vector<T>;
  static constexpr int kInputs = 4;
  // What a point's product is divided by.
  static constexpr T kScale[4] = {T(1), T(0.5), T(0.5), T(1)};

  STRIATE_HD static void input(const V (&d)[4], V (&v)[4]) {
    v[0] = d[0] - d[2];
    v[1] = d[2] + d[1];
    v[2] = d[2] - d[1];
    v[3] = d[3] - d[1];
  }
  STRIATE_HD static void filter(const V (&g)[3], V (&u)[4]) {
    const V even = T(0.5) * (g[0] + g[2]), odd = T(0.5) * g[1];
    u[0] = g[0];
    u[1] = even + odd;
    u[2] = even - odd;
    u[3] = g[2];
  }
  STRIATE_HD static void output(const V (&m)[4], V (&y)[2]) {
    y[0] = m[0] + (m[1] + m[2]);
    y[1] = (m[1] - m[2]) + m[3];
  }
  STRIATE_HD static void gradient(const V (&dy)[2], V (&w)[4]) {
    w[0] = dy[0];
    w[1] = dy[0] + dy[1];
    w[2] = dy[0] - dy[1];
    w[3] = dy[1];
  }
  STRIATE_HD static void sums(const V (&m)[4], V (&dw)[3]) {
    const V one = kScale[1] * m[1], two = kScale[2] * m[2];
    dw[0] = m[0] + (one + two);
    dw[1] = one - two;
    dw[2] = (one + two) + m[3];
  }
};

// F(4, 3): points 0, +-a, +-b, infinity.
template <class T>
struct Transforms<T, 4> {
  using V = Vector<T>;
  static constexpr int kInputs = 6;
  static constexpr T a = T(0.625), b = T(1.5);
  static constexpr T a2 = a * a, b2 = b * b, a3 = a2 * a, b3 = b2 * b;
  static constexpr T kZero = 1 / (a2 * b2), kA = 1 / (2 * a2 * (a2 - b2)),
                     kB = 1 / (2 * b2 * (b2 - a2));

  STRIATE_HD static void input(const V (&d)[6], V (&v)[6]) {
    const V evenA = d[4] - b2 * d[2], oddA = a * d[3] - (a * b2) * d[1];
    const V evenB = d[4] - a2 * d[2], oddB = b * d[3] - (b * a2) * d[1];
    v[0] = (a2 * b2) * d[0] + (d[4] - (a2 + b2) * d[2]);
    v[1] = evenA + oddA;
    v[2] = evenA - oddA;
    v[3] = evenB + oddB;
    v[4] = evenB - oddB;
    v[5] = (a2 * b2) * d[1] + (d[5] - (a2 + b2) * d[3]);
  }
  STRIATE_HD static void filter(const V (&g)[3], V (&u)[6]) {
    const V evenA = kA * g[0] + (kA * a2) * g[2], oddA = (kA * a) * g[1];
    const V evenB = kB * g[0] + (kB * b2) * g[2], oddB = (kB * b) * g[1];
    u[0] = kZero * g[0];
    u[1] = evenA + oddA;
    u[2] = evenA - oddA;
    u[3] = evenB + oddB;
    u[4] = evenB - oddB;
    u[5] = g[2];
  }
  STRIATE_HD static void output(const V (&m)[6], V (&y)[4]) {
    const V sumA = m[1] + m[2], sumB = m[3] + m[4], oddA = m[1] - m[2], oddB = m[3] - m[4];
    y[0] = m[0] + (sumA + sumB);
    y[1] = a * oddA + b * oddB;
    y[2] = a2 * sumA + b2 * sumB;
    y[3] = (a3 * oddA + b3 * oddB) + m[5];
  }
  STRIATE_HD static void gradient(const V (&dy)[4], V (&w)[6]) {
    const V evenA = dy[0] + a2 * dy[2], oddA = a * dy[1] + a3 * dy[3];
    const V evenB = dy[0] + b2 * dy[2], oddB = b * dy[1] + b3 * dy[3];
    w[0] = dy[0];
    w[1] = evenA + oddA;
    w[2] = evenA - oddA;
    w[3] = evenB + oddB;
    w[4] = evenB - oddB;
    w[5] = dy[3];
  }
  STRIATE_HD static void sums(const V (&m)[6], V (&dw)[3]) {
    const V sumA = kA * (m[1] + m[2]), sumB = kB * (m[3] + m[4]);
    const V oddA = kA * (m[1] - m[2]), oddB = kB * (m[3] - m[4]);
    dw[0] = kZero * m[0] + (sumA + sumB);
    dw[1] = a * oddA + b * oddB;
    dw[2] = (a2 * sumA + b2 * sumB) + m[5];
  }
};

}  // namespace striate::cpu::STRIATE_ISA
#endif
