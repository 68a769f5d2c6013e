// tb.cpp - runs images from a file through the top and writes or checks what comes out.
//
//   tb INPUT --write OUTPUT     every answer to a file
//   tb INPUT --check EXPECTED   every answer against a file; exit 1 at the first that differs
//
// Files hold the beats of the two AXI-Streams in order, each in whole bytes, low byte first.
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "top.hpp"

typedef std::vector<unsigned char> Bytes;

static bool read_file(const char *path, Bytes &bytes) {
  std::FILE *file = std::fopen(path, "rb");
  if (!file) return false;
  unsigned char block[65536];
  for (std::size_t n; (n = std::fread(block, 1, sizeof block, file)) > 0;) bytes.insert(bytes.end(), block, block + n);
  return std::fclose(file) == 0;
}

static bool write_file(const char *path, const Bytes &bytes) {
  std::FILE *file = std::fopen(path, "wb");
  if (!file) return false;
  const std::size_t written = bytes.empty() ? 0 : std::fwrite(bytes.data(), 1, bytes.size(), file);
  return std::fclose(file) == 0 && written == bytes.size();
}

// One image in, one image out; false when the last beat is not where it belongs.
static bool run_image(const unsigned char *image, Bytes &answers) {
  static Axis<Top::InBits>::Port s_axis("s_axis");
  static Axis<Top::OutBits>::Port m_axis("m_axis");
  constexpr int InBytes = Axis<Top::InBits>::Bytes, OutBytes = Axis<Top::OutBits>::Bytes;
  for (int w = 0; w < Top::InWords; w++, image += InBytes) {
    Word<8 * InBytes> data = 0;
    for (int b = 0; b < InBytes; b++) set_field<8>(data, 8 * b, Word<8>(image[b]));
    Beat<InBytes> beat;
    beat.data = data;
    beat.keep = ~Word<InBytes>(0);
    beat.strb = ~Word<InBytes>(0);
    beat.last = Word<1>(w == Top::InWords - 1 ? 1 : 0);
    s_axis.write(beat);
  }
  top(s_axis, m_axis);
  bool framed = s_axis.empty();
  for (int w = 0; w < Top::OutWords; w++) {
    const Beat<OutBytes> beat = m_axis.read();
    const Word<8 * OutBytes> data = beat.data;
    const Word<1> last = beat.last;
    framed = framed && bool(last[0]) == (w == Top::OutWords - 1);
    for (int b = 0; b < OutBytes; b++) {
      answers.push_back(static_cast<unsigned char>(bits_of(field<8>(data, 8 * b))));
    }
  }
  return framed && m_axis.empty();
}

static int differs(const Bytes &answers, const Bytes &expected) {
  if (answers.size() != expected.size()) {
    std::printf("FAIL: %lu bytes came out, %lu are expected\n", static_cast<unsigned long>(answers.size()),
                static_cast<unsigned long>(expected.size()));
    return 1;
  }
  const std::size_t beat = Axis<Top::OutBits>::Bytes, image = beat * Top::OutWords;
  for (std::size_t i = 0; i < answers.size(); i++) {
    if (answers[i] == expected[i]) continue;
    std::printf("FAIL: image %lu, word %lu, byte %lu is %02x, expected %02x\n", static_cast<unsigned long>(i / image),
                static_cast<unsigned long>(i % image / beat), static_cast<unsigned long>(i % beat), answers[i],
                expected[i]);
    return 1;
  }
  std::printf("PASS: %lu images equal\n", static_cast<unsigned long>(answers.size() / image));
  return 0;
}

int main(int argc, char **argv) {
  const std::string what = argc == 4 ? argv[2] : "";
  if (what != "--write" && what != "--check") {
    std::fprintf(stderr, "usage: tb INPUT --write OUTPUT | tb INPUT --check EXPECTED\n");
    return 2;
  }
  Bytes images, answers, expected;
  if (!read_file(argv[1], images)) {
    std::fprintf(stderr, "%s: cannot be read\n", argv[1]);
    return 2;
  }
  const std::size_t size = std::size_t(Axis<Top::InBits>::Bytes) * Top::InWords;
  if (images.size() % size) {
    std::fprintf(stderr, "%s: is not a whole number of images of %lu bytes\n", argv[1], static_cast<unsigned long>(size));
    return 2;
  }
  for (std::size_t at = 0; at < images.size(); at += size) {
    if (!run_image(images.data() + at, answers)) {
      std::fprintf(stderr, "image %lu: words are left over or the last beat is misplaced\n",
                   static_cast<unsigned long>(at / size));
      return 3;
    }
  }
  if (what == "--check") {
    if (read_file(argv[3], expected)) return differs(answers, expected);
    std::fprintf(stderr, "%s: cannot be read\n", argv[3]);
    return 2;
  }
  if (write_file(argv[3], answers)) return 0;
  std::fprintf(stderr, "%s: cannot be written\n", argv[3]);
  return 2;
}
