// The machine's peak of fused multiply-adds (float32) with one thread and with two: what the bench
// compares kernels with. Compile with -O3 -march=native -pthread and run; prints one line of JSON.
//
// Each thread keeps 12 independent accumulators (more than latency times units needs: 4 * 2 on current
// processors), reads no memory, and repeats rounds; the fastest round counts.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <thread>
#include <vector>

namespace {

#if defined(__AVX512F__)
constexpr int kBytes = 64;
constexpr const char* kSet = "avx512";
#elif defined(__AVX2__) && defined(__FMA__)
constexpr int kBytes = 32;
constexpr const char* kSet = "avx2";
#else
constexpr int kBytes = 16;
constexpr const char* kSet = "baseline";
#endif
constexpr int kLanes = kBytes / 4, kSums = 12, kRounds = 40;
constexpr long kSteps = 1000000;

typedef float Vector __attribute__((vector_size(kBytes)));

// One round; the empty assembly keeps the compiler from shortening the chain of sums.
float round(Vector factor, Vector term) {
  Vector sum[kSums];
#pragma GCC unroll 12
  for (int i = 0; i < kSums; ++i) sum[i] = term * static_cast<float>(i);
  for (long step = 0; step < kSteps; ++step) {
#pragma GCC unroll 12
    for (int i = 0; i < kSums; ++i) {
      sum[i] = sum[i] * factor + term;
#if defined(__x86_64__)
      __asm__ volatile("" : "+v"(sum[i]));
#else
      __asm__ volatile("" : "+w"(sum[i]));
#endif
    }
  }
  Vector total = {};
#pragma GCC unroll 12
  for (int i = 0; i < kSums; ++i) total += sum[i];
  return total[0];
}

double gflops(int threads) {
  using Clock = std::chrono::steady_clock;
  double best = 0;
  for (int r = 0; r < kRounds; ++r) {
    std::atomic<int> ready{0};
    std::vector<double> seconds(threads);
    std::vector<std::thread> workers;
    std::atomic<float> sink{0};
    for (int t = 0; t < threads; ++t)
      workers.emplace_back([&, t] {
        Vector factor, term;
        for (int i = 0; i < kLanes; ++i) factor[i] = 0.999f, term[i] = 0.001f;
        ready.fetch_add(1);
        while (ready.load() < threads) {
        }
        const auto begin = Clock::now();
        sink.store(round(factor, term));
        seconds[t] = std::chrono::duration<double>(Clock::now() - begin).count();
      });
    for (auto& w : workers) w.join();
    double slowest = 0;
    for (double s : seconds) slowest = s > slowest ? s : slowest;
    const double rate = 2.0 * kLanes * kSums * kSteps * threads / slowest * 1e-9;
    best = rate > best ? rate : best;
  }
  return best;
}

}  // namespace

int main() {
  const double one = gflops(1), two = gflops(2);
  std::printf("{\"gflops1\":%.2f,\"gflops2\":%.2f,\"instructionSet\":\"%s\"}\n", one, two, kSet);
}
