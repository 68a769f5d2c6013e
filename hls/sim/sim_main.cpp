// sim_main.cpp - clock, reset, watchdog and report of a simulated bench.
//
//   sim PLAN RESULT IDLE RESET_AT [WAVES]
//
// PLAN holds one line for each stream, in order of Id: kind chunks image words random patience file.
// The run ends when every sink has its words (exit 0) or when nothing has moved for IDLE cycles (exit 3).
// RESET_AT > 0 resets everything once, in that cycle; the streams then start again.
// RESULT receives one line for each stream; standard output a line of progress twice a second.

#include <chrono>
#include <cinttypes>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>

#include "Vbench.h"
#include "sim_streams.h"
#include "verilated.h"
#if VM_TRACE_FST
#include "verilated_fst_c.h"
using Waves = VerilatedFstC;
#elif VM_TRACE
#include "verilated_vcd_c.h"
using Waves = VerilatedVcdC;
#endif

static void read_plan(const char *path) {
  std::ifstream plan(path);
  std::string line;
  while (std::getline(plan, line)) {
    std::istringstream fields(line);
    std::string kind, file;
    SimStream s;
    fields >> kind >> s.chunks >> s.image >> s.words >> s.random >> s.patience >> file;
    s.again = kind == "feed";
    s.kind = kind == "source" || s.again ? SimStream::kSource : kind == "sink" ? SimStream::kSink : kind == "tap" ? SimStream::kTap : SimStream::kLevel;
    if (!file.empty() && !(s.file = fopen(file.c_str(), s.kind == SimStream::kSource ? "rb" : "wb"))) {
      fprintf(stderr, "cannot open %s\n", file.c_str());
      exit(2);
    }
    sim_all.push_back(s);
  }
}

static void write_result(const char *path) {
  FILE *out = fopen(path, "w");
  fprintf(out, "%" PRIu64 "\n", sim_cycle);
  for (const SimStream &s : sim_all) {
    fprintf(out, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %d %d %d %" PRIu64 " %" PRIu64, s.moved, s.first, s.latest, s.bad_last, s.valid, s.ready, s.told, s.toggles);
    for (uint64_t end : s.image_end) fprintf(out, " %" PRIu64, end);
    fprintf(out, "\n");
  }
  fclose(out);
}

// Images that every sink has, and whether all of them are through.
static bool finished(uint64_t &images) {
  bool done = true;
  images = UINT64_MAX;
  for (const SimStream &s : sim_all) {
    if (s.kind != SimStream::kSink) continue;
    if (s.moved < s.words) done = false;
    if (s.image_end.size() < images) images = s.image_end.size();
  }
  return done;
}

int main(int argc, char **argv) {
  if (argc < 5) return 2;
  read_plan(argv[1]);
  const uint64_t idle = strtoull(argv[3], nullptr, 10), reset_at = strtoull(argv[4], nullptr, 10);
  auto context = std::make_unique<VerilatedContext>();
  context->commandArgs(argc, argv);
  context->randReset(2);  // registers wake up at random: whatever relies on their first value is found out
  context->randSeed(1);
#if VM_TRACE
  context->traceEverOn(true);
#endif
  auto bench = std::make_unique<Vbench>(context.get());
#if VM_TRACE
  Waves waves;
  if (argc > 5) {
    bench->trace(&waves, 99);
    waves.open(argv[5]);
  }
#endif
  auto tick = [&] {
    bench->clk_i = 0;
    bench->eval();
#if VM_TRACE
    waves.dump(context->time());
#endif
    context->timeInc(1);
    bench->clk_i = 1;
    bench->eval();
#if VM_TRACE
    waves.dump(context->time());
#endif
    context->timeInc(1);
  };
  auto reset = [&] {
    bench->rst_ni = 0;
    for (int i = 0; i < 4; i++) tick();
    bench->rst_ni = 1;
    sim_cycle = 0;
  };
  bench->report_i = 0;
  reset();

  // words of all streams and the most in all fifos, as the taps tell them in one cycle
  auto told_words = [&] {
    bench->report_i = 1;
    tick();
    bench->report_i = 0;
    sim_cycle++;
    uint64_t words = 0;
    for (const SimStream &s : sim_all) words += s.told;
    return words;
  };

  uint64_t images = 0, moves = 0, still = 0, ends = 0, words = 0;
  bool done = false, was_reset = reset_at == 0;
  auto told = std::chrono::steady_clock::now();
  while (!done && still < idle) {
    tick();
    sim_cycle++;
    if (!was_reset && sim_cycle == reset_at) {
      was_reset = true;
      reset();
      moves = sim_moves;
    }
    still = sim_moves == moves ? still + 1 : 0;
    moves = sim_moves;
    if (still == idle) {  // nothing at either end: is an image still on its way through many units?
      const uint64_t now = told_words();
      still = now == words && sim_moves == moves ? idle : 0;
      words = now;
    }
    if (ends != sim_ends) {
      ends = sim_ends;
      done = was_reset && finished(images);
    }
    if ((sim_cycle & 1023) == 0) {
      const auto now = std::chrono::steady_clock::now();
      if (now - told > std::chrono::milliseconds(500)) {
        told = now;
        printf("%" PRIu64 " %" PRIu64 "\n", images, sim_cycle);
        fflush(stdout);
      }
    }
  }
  bench->report_i = 1;
  tick();
  for (SimStream &s : sim_all)
    if (s.file) fclose(s.file);
  write_result(argv[2]);
#if VM_TRACE
  waves.close();
#endif
  bench->final();
  return done ? 0 : 3;
}
