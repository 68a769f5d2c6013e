// stream.hpp - what every unit speaks: words of bits, streams of words, integers, memories.
//
// Under Vitis HLS (or with HWFLOW_AP_TYPES and AMD's ap_int headers) a word is ap_uint, a stream is hls::stream and an
// integer is ap_int of exactly the width asked for. Under a plain C++ compiler the same names stand for small fast
// types, so every laptop can run the hardware's C++. Units use only the functions below, which mean the same in both.
//
//   field<Size>(word, at)        Size bits of a word from bit `at`
//   set_field(word, at, piece)   puts a piece at bit `at`
//   every_other<Size>(word, b)   bits b, b + 2, b + 4 .. of a word
//   popcount(word)               how many bits are 1
//   value<Kind>(code)            the integer a code means; Kind 0: -1/+1, 1: unsigned, 2: two's complement
//   code<Kind, Bits>(integer)    the code of an integer
//   Memory<Bits, Words>          constants; memory_field<Size>(memory, word, at) reads them
#pragma once

#include <cstdint>
#include <type_traits>

#if defined(__SYNTHESIS__) || defined(HWFLOW_AP_TYPES)

#ifndef AP_INT_MAX_W
#define AP_INT_MAX_W 32768  // a word may hold a whole row of accumulators
#endif
#include <ap_int.h>
#include <hls_stream.h>

template <int Bits> using Word = ap_uint<Bits>;
template <int Bits> using Int = ap_int<Bits>;
template <class T> using Channel = hls::stream<T>;

template <int Size, int Bits> inline Word<Size> field(const ap_uint<Bits> &word, int at) {
#pragma HLS INLINE
  return word.range(at + Size - 1, at);
}

template <int Size, int Bits> inline void set_field(ap_uint<Bits> &word, int at, const ap_uint<Size> &piece) {
#pragma HLS INLINE
  word.range(at + Size - 1, at) = piece;
}

template <int Bits> inline int popcount(const ap_uint<Bits> &word) {
#pragma HLS INLINE
  // written as a plain sum: Vitis balances it into a tree of compressors
  int count = 0;
  for (int b = 0; b < Bits; b++) {
#pragma HLS UNROLL
    count += word[b] ? 1 : 0;
  }
  return count;
}

template <int Size> inline Word<Size> every_other(const ap_uint<2 * Size> &word, int first) {
#pragma HLS INLINE
  Word<Size> out = 0;
  for (int b = 0; b < Size; b++) {
#pragma HLS UNROLL
    out[b] = word[2 * b + first];
  }
  return out;
}

template <int Bits> inline std::uint64_t bits_of(const ap_uint<Bits> &word) {
#pragma HLS INLINE
  static_assert(Bits <= 64, "bits_of: at most 64 bits");
  return word.to_uint64();
}

#else

#include <cstdio>
#include <cstdlib>
#include <vector>

// Bits in 64-bit chunks, bit 0 in the low bit of chunk 0; bits beyond the width are always 0.
template <int Bits> struct Word {
  static constexpr int Chunks = (Bits + 63) / 64;
  static constexpr std::uint64_t Top = Bits % 64 ? (std::uint64_t(1) << (Bits % 64)) - 1 : ~std::uint64_t(0);
  std::uint64_t chunk[Chunks];

  Word() : chunk{} {}
  Word(std::uint64_t low) : chunk{} {
    chunk[0] = Chunks == 1 ? low & Top : low;
  }
  bool operator[](int b) const { return (chunk[b / 64] >> (b % 64)) & 1; }
  bool operator==(const Word &other) const {
    for (int c = 0; c < Chunks; c++)
      if (chunk[c] != other.chunk[c]) return false;
    return true;
  }
};

template <int Bits> using Int = std::conditional_t<(Bits <= 32), std::int32_t, std::int64_t>;

template <int Bits> inline Word<Bits> operator&(Word<Bits> a, const Word<Bits> &b) {
  for (int c = 0; c < Word<Bits>::Chunks; c++) a.chunk[c] &= b.chunk[c];
  return a;
}

template <int Bits> inline Word<Bits> operator^(Word<Bits> a, const Word<Bits> &b) {
  for (int c = 0; c < Word<Bits>::Chunks; c++) a.chunk[c] ^= b.chunk[c];
  return a;
}

template <int Bits> inline Word<Bits> operator~(Word<Bits> a) {
  for (int c = 0; c < Word<Bits>::Chunks; c++) a.chunk[c] = ~a.chunk[c];
  a.chunk[Word<Bits>::Chunks - 1] &= Word<Bits>::Top;
  return a;
}

// `Size` bits from bit `at` of `chunks` chunks.
template <int Size, class Chunk> inline Word<Size> field_of(const Chunk *chunk, int chunks, int at) {
  Word<Size> out;
  const int first = at / 64, shift = at % 64;
  for (int c = 0; c < Word<Size>::Chunks; c++) {
    out.chunk[c] = std::uint64_t(chunk[first + c]) >> shift;
    if (shift && first + c + 1 < chunks) out.chunk[c] |= std::uint64_t(chunk[first + c + 1]) << (64 - shift);
  }
  out.chunk[Word<Size>::Chunks - 1] &= Word<Size>::Top;
  return out;
}

template <int Size, int Bits> inline Word<Size> field(const Word<Bits> &word, int at) {
  return field_of<Size>(word.chunk, Word<Bits>::Chunks, at);
}

template <int Size, int Bits> inline void set_field(Word<Bits> &word, int at, const Word<Size> &piece) {
  const int shift = at % 64;
  for (int c = 0; c < Word<Size>::Chunks; c++) {
    const std::uint64_t mask = c == Word<Size>::Chunks - 1 ? Word<Size>::Top : ~std::uint64_t(0);
    std::uint64_t &low = word.chunk[at / 64 + c];
    low = (low & ~(mask << shift)) | (piece.chunk[c] << shift);
    if (shift && mask >> (64 - shift)) {
      std::uint64_t &high = word.chunk[at / 64 + c + 1];
      high = (high & ~(mask >> (64 - shift))) | (piece.chunk[c] >> (64 - shift));
    }
  }
}

template <int Bits> inline int popcount(const Word<Bits> &word) {
  int count = 0;
  for (int c = 0; c < Word<Bits>::Chunks; c++) count += __builtin_popcountll(word.chunk[c]);
  return count;
}

// The 32 even bits of 64, closed up: neighbours join in pairs, then fours, and so on.
inline std::uint64_t even_bits(std::uint64_t w) {
  w &= 0x5555555555555555u;
  w = (w | (w >> 1)) & 0x3333333333333333u;
  w = (w | (w >> 2)) & 0x0f0f0f0f0f0f0f0fu;
  w = (w | (w >> 4)) & 0x00ff00ff00ff00ffu;
  w = (w | (w >> 8)) & 0x0000ffff0000ffffu;
  return (w | (w >> 16)) & 0x00000000ffffffffu;
}

template <int Size> inline Word<Size> every_other(const Word<2 * Size> &word, int first) {
  Word<Size> out;
  for (int c = 0; c < Word<2 * Size>::Chunks; c++) {
    out.chunk[c / 2] |= even_bits(word.chunk[c] >> first) << (c % 2 ? 32 : 0);
  }
  return out;
}

template <int Bits> inline std::uint64_t bits_of(const Word<Bits> &word) {
  static_assert(Bits <= 64, "bits_of: at most 64 bits");
  return word.chunk[0];
}

// A queue. Reading an empty one ends the program: in hardware it would wait for ever.
template <class T> class Channel {
 public:
  explicit Channel(const char *name = "channel") : name_(name), head_(0) {}
  Channel(const Channel &) = delete;
  Channel &operator=(const Channel &) = delete;

  bool empty() const { return head_ == words_.size(); }
  std::size_t size() const { return words_.size() - head_; }
  void write(const T &word) { words_.push_back(word); }
  T read() {
    if (empty()) {
      std::fprintf(stderr, "%s: read while empty\n", name_);
      std::exit(3);
    }
    const T word = words_[head_++];
    if (empty()) {
      words_.clear();
      head_ = 0;
    }
    return word;
  }

 private:
  const char *name_;
  std::size_t head_;
  std::vector<T> words_;
};

#endif

template <int Bits> using Stream = Channel<Word<Bits>>;

// Constants: `Words` words of `Bits` bits, each in entries of the narrowest type that holds it, 64 bits at most,
// with bit 0 in the low bit of entry 0.
template <int Bits>
using Entry = std::conditional_t<(Bits <= 8), std::uint8_t, std::conditional_t<(Bits <= 16), std::uint16_t,
              std::conditional_t<(Bits <= 32), std::uint32_t, std::uint64_t>>>;
template <int Bits, int Words> using Memory = Entry<Bits>[Words][(Bits + 63) / 64];

// `Size` bits from bit `at` of one word of a memory.
template <int Size, int Bits, int Words>
inline Word<Size> memory_field(const Memory<Bits, Words> &memory, int word, int at) {
#pragma HLS INLINE
#if defined(__SYNTHESIS__) || defined(HWFLOW_AP_TYPES)
  constexpr int Entries = (Bits + 63) / 64, Pieces = (Size + 63) / 64 + 1;
  const int first = at / 64;
  ap_uint<64 * Pieces> pieces = 0;
  for (int e = 0; e < Pieces; e++) {
#pragma HLS UNROLL
    if (first + e < Entries) pieces.range(64 * e + 63, 64 * e) = ap_uint<64>(memory[word][first + e]);
  }
  return pieces.range(at % 64 + Size - 1, at % 64);
#else
  return field_of<Size>(memory[word], (Bits + 63) / 64, at);
#endif
}

// What a unit without constants of some kind is given in their place.
typedef bool Nothing[1][1];
static const Nothing no_memory = {{false}};

template <int Size, int Bits, int Words> inline Word<Size> memory_field(const Nothing &, int, int) { return 0; }

// Bits that count 0 .. n-1; at least 1.
constexpr int clog2(long long n) {
  int bits = 1;
  while ((1LL << bits) < n) bits++;
  return bits;
}

// Bits of a two's complement integer that holds every code of a kind.
constexpr int int_bits(int kind, int bits) { return kind == 0 ? 2 : kind == 1 ? bits + 1 : bits; }

// The integer a code means.
template <int Kind, int Bits> inline Int<int_bits(Kind, Bits)> value(const Word<Bits> &code) {
#pragma HLS INLINE
  using Out = Int<int_bits(Kind, Bits)>;
  static_assert(Kind >= 0 && Kind <= 2, "value: Kind is 0 (-1/+1), 1 (unsigned) or 2 (two's complement)");
  static_assert(Kind != 0 || Bits == 1, "value: -1/+1 is one bit");
#if defined(__SYNTHESIS__) || defined(HWFLOW_AP_TYPES)
  if (Kind == 0) return code[0] ? Out(1) : Out(-1);
  if (Kind == 1) return Out(code);
  Out out = 0;
  out.range(int_bits(Kind, Bits) - 1, 0) = code;
  return out;
#else
  if (Kind == 0) return code.chunk[0] ? Out(1) : Out(-1);
  if (Kind == 1) return Out(code.chunk[0]);
  return Out(std::int64_t(code.chunk[0] << (64 - Bits)) >> (64 - Bits));
#endif
}

// The code of an integer the kind can hold.
template <int Kind, int Bits, class Integer> inline Word<Bits> code(const Integer &integer) {
#pragma HLS INLINE
#if defined(__SYNTHESIS__) || defined(HWFLOW_AP_TYPES)
  if (Kind == 0) return Word<Bits>(integer > 0 ? 1 : 0);
  return Word<Bits>(integer);
#else
  if (Kind == 0) return Word<Bits>(integer > 0 ? 1 : 0);
  return Word<Bits>(std::uint64_t(std::int64_t(integer)));
#endif
}

// The same value, a -1/+1 bit or the low bits of its integer, in another width.
template <int XKind, int YBits, int XBits> inline Word<YBits> widened(const Word<XBits> &element) {
#pragma HLS INLINE
  return code<(XKind == 0 && YBits == 1 ? 0 : 1), YBits>(value<XKind>(element));
}
