// tb_stream.cpp - checks stream.hpp against its own definition, one bit at a time; exit 0 when every check holds.
#include <cstdio>

#include "stream.hpp"

static int failures = 0;
static std::uint64_t state = 88172645463325252ULL;

static std::uint64_t random_bits() {  // xorshift64
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

static void check(bool holds, const char *what, int bits, int at) {
  if (holds) return;
  failures++;
  std::printf("%s fails for %d bits at %d\n", what, bits, at);
}

template <int Bits> Word<Bits> random_word() {
  Word<Bits> word = 0;
  for (int b = 0; b < Bits; b++) set_field<1>(word, b, Word<1>(random_bits() >> 63));
  return word;
}

template <int Bits, int Size> void check_fields() {
  for (int at = 0; at + Size <= Bits; at++) {
    const Word<Bits> word = random_word<Bits>();
    const Word<Size> piece = field<Size>(word, at), other = random_word<Size>();
    Word<Bits> after = word;
    set_field<Size>(after, at, other);
    bool read = true, written = true;
    for (int b = 0; b < Size; b++) read = read && bool(piece[b]) == bool(word[at + b]);
    for (int b = 0; b < Bits; b++) {
      const bool inside = b >= at && b < at + Size;
      written = written && bool(after[b]) == (inside ? bool(other[b - at]) : bool(word[b]));
    }
    check(read, "field", Size, at);
    check(written, "set_field", Size, at);
  }
}

template <int Bits> void check_logic() {
  const Word<Bits> a = random_word<Bits>(), b = random_word<Bits>();
  const Word<Bits> both = a & b, differ = a ^ b, not_a = ~a;
  int ones = 0;
  bool right = true;
  for (int i = 0; i < Bits; i++) {
    ones += a[i] ? 1 : 0;
    right = right && bool(both[i]) == (a[i] && b[i]) && bool(differ[i]) == (bool(a[i]) != bool(b[i]));
    right = right && bool(not_a[i]) == !a[i];
  }
  check(right, "and, xor, not", Bits, 0);
  check(popcount(a) == ones, "popcount", Bits, 0);
}

template <int Size> void check_every_other() {
  const Word<2 * Size> word = random_word<2 * Size>();
  const Word<Size> even = every_other<Size>(word, 0), odd = every_other<Size>(word, 1);
  bool right = true;
  for (int b = 0; b < Size; b++) right = right && bool(even[b]) == bool(word[2 * b]) && bool(odd[b]) == bool(word[2 * b + 1]);
  check(right, "every_other", Size, 0);
}

template <int Bits> void check_memory() {
  Memory<Bits, 2> memory = {};
  for (auto &word : memory)
    for (auto &entry : word) entry = static_cast<Entry<Bits>>(random_bits());
  for (int at = 0; at + 5 <= Bits; at++) {
    const Word<5> piece = memory_field<5, Bits, 2>(memory, 1, at);
    bool right = true;
    for (int b = 0; b < 5; b++) right = right && bool(piece[b]) == bool((std::uint64_t(memory[1][(at + b) / 64]) >> ((at + b) % 64)) & 1);
    check(right, "memory_field", Bits, at);
  }
}

template <int Bits> void check_values() {
  for (int v = 0; v < (1 << Bits); v++) {
    const Word<Bits> word = Word<Bits>(std::uint64_t(v));
    const int low = v, high = v - (1 << Bits);
    check(int(value<1>(word)) == low, "unsigned value", Bits, v);
    check(int(value<2>(word)) == (v >> (Bits - 1) ? high : low), "signed value", Bits, v);
    check(code<1, Bits>(value<1>(word)) == word && code<2, Bits>(value<2>(word)) == word, "code", Bits, v);
  }
}

int main() {
  check_fields<1, 1>(), check_fields<63, 5>(), check_fields<64, 64>(), check_fields<65, 64>(), check_fields<65, 1>();
  check_fields<128, 65>(), check_fields<193, 63>(), check_fields<300, 129>(), check_fields<200, 8>();
  check_logic<1>(), check_logic<63>(), check_logic<64>(), check_logic<65>(), check_logic<129>(), check_logic<256>();
  check_every_other<1>(), check_every_other<32>(), check_every_other<33>(), check_every_other<97>();
  check_memory<5>(), check_memory<8>(), check_memory<9>(), check_memory<17>(), check_memory<64>(), check_memory<67>(), check_memory<128>(), check_memory<190>();
  check_values<1>(), check_values<2>(), check_values<3>(), check_values<8>();
  check(int(value<0>(Word<1>(1))) == 1 && int(value<0>(Word<1>(0))) == -1, "bipolar value", 1, 0);
  Stream<65> stream("stream");
  const Word<65> first = random_word<65>(), second = random_word<65>();
  stream.write(first), stream.write(second);
  check(stream.read() == first && stream.read() == second && stream.empty(), "a stream keeps its order", 65, 0);
  std::printf("%d failures\n", failures);
  return failures ? 1 : 0;
}
