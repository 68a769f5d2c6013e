// dma_sim - an AXI DMA that is not there: board_dma in Verilator between two files of 8-byte beats (simulation only).
//
//   board TO_BOARD FROM_BOARD SEED [WEIGHTS TIMES]..
// Beats go in and come out with random gaps; those of each file of weights so many times. Ends with the beat that has tlast;
// exit 3 when nothing moves for a million clocks, 4 when tkeep is not all ones, 5 when words are left over.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "Vboard.h"
#include "verilated.h"

static std::vector<uint64_t> read_beats(const char *path) {
  std::vector<uint64_t> beats;
  FILE *file = fopen(path, "rb");
  uint64_t beat;
  while (file && fread(&beat, 8, 1, file) == 1) beats.push_back(beat);
  if (file) fclose(file);
  return beats;
}

struct Feed {
  std::vector<uint64_t> beats;
  size_t left = 0, at = 0;
};

static void set_beat(QData &port, size_t, uint64_t beat) { port = beat; }
template <size_t Words> static void set_beat(VlWide<Words> &port, size_t k, uint64_t beat) {
  port[2 * k] = uint32_t(beat);
  port[2 * k + 1] = uint32_t(beat >> 32);
}

int main(int argc, char **argv) {
  if (argc < 4 || argc % 2) return 2;
  std::vector<uint64_t> in = read_beats(argv[1]), out;
  std::vector<Feed> feeds;
  for (int a = 4; a < argc; a += 2) {
    feeds.push_back({read_beats(argv[a])});
    feeds.back().left = feeds.back().beats.size() * strtoull(argv[a + 1], nullptr, 0);
  }
  uint64_t random = strtoull(argv[3], nullptr, 0) * 2654435761u + 1;
  auto chance = [&] { return (random = random * 6364136223846793005ull + 1442695040888963407ull) >> 62 != 0; };

  VerilatedContext context;
  context.commandArgs(argc, argv);
  Vboard board(&context);
  size_t sent = 0;
  bool done = false;
  for (uint64_t clock = 0, idle = 0; !done; clock++) {
    board.rst_ni = clock >= 8;
    if (!board.s_axis_tvalid) board.s_axis_tvalid = clock >= 8 && sent < in.size() && chance();  // valid waits for no one
    if (sent < in.size()) board.s_axis_tdata = in[sent], board.s_axis_tlast = sent + 1 == in.size();
    for (size_t k = 0; k < feeds.size(); k++) {
      if (feeds[k].left && clock >= 8 && chance()) board.w_axis_tvalid |= 1u << k;
      if (feeds[k].left) set_beat(board.w_axis_tdata, k, feeds[k].beats[feeds[k].at]);
    }
    board.m_axis_tready = chance();
    board.clk_i = 0;
    board.eval();
    bool moved_in = board.s_axis_tvalid && board.s_axis_tready && board.rst_ni;
    bool moved_out = board.m_axis_tvalid && board.m_axis_tready && board.rst_ni;
    if (moved_out) {
      out.push_back(board.m_axis_tdata);
      done = board.m_axis_tlast;
      if (board.m_axis_tkeep != 0xff) return 4;
    }
    const unsigned moved_weights = board.rst_ni ? board.w_axis_tvalid & board.w_axis_tready : 0;
    board.clk_i = 1;
    board.eval();
    for (size_t k = 0; k < feeds.size(); k++) {
      if (!(moved_weights >> k & 1)) continue;
      feeds[k].left--;
      feeds[k].at = (feeds[k].at + 1) % feeds[k].beats.size();
      board.w_axis_tvalid &= ~(1u << k);
    }
    if (moved_in) sent++, board.s_axis_tvalid = 0;
    idle = moved_in || moved_out ? 0 : idle + 1;
    if (idle > 1000000) return 3;
  }
  board.final();
  if (sent != in.size()) return 5;
  for (const Feed &feed : feeds)
    if (feed.left) return 5;
  FILE *file = fopen(argv[2], "wb");
  if (!file) return 2;
  fwrite(out.data(), 8, out.size(), file);
  return fclose(file);
}
