// dma_sim - an AXI DMA that is not there: board_dma in Verilator between two files of 8-byte beats (simulation only).
//
//   board TO_BOARD FROM_BOARD SEED
// Beats go in and come out with random gaps. Ends with the beat that has tlast; exit 3 when nothing moves for a million
// clocks, 4 when tkeep is not all ones, 5 when words are left over.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "Vboard.h"
#include "verilated.h"

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  std::vector<uint64_t> in, out;
  FILE *file = fopen(argv[1], "rb");
  uint64_t beat;
  while (file && fread(&beat, 8, 1, file) == 1) in.push_back(beat);
  if (file) fclose(file);
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
    board.clk_i = 1;
    board.eval();
    if (moved_in) sent++, board.s_axis_tvalid = 0;
    idle = moved_in || moved_out ? 0 : idle + 1;
    if (idle > 1000000) return 3;
  }
  board.final();
  if (sent != in.size()) return 5;
  file = fopen(argv[2], "wb");
  if (!file) return 2;
  fwrite(out.data(), 8, out.size(), file);
  return fclose(file);
}
