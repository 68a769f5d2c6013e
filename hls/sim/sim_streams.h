// sim_streams.h - the files and random stalls behind sim_source, sim_sink, sim_tap and sim_level.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

struct SimStream {
  enum Kind { kSource, kSink, kTap, kLevel } kind = kSource;
  uint32_t chunks = 0;  // 32-bit pieces of one word
  uint64_t image = 0;   // words of one image
  uint64_t words = 0;   // words of the whole run (sources, sinks)
  FILE *file = nullptr;
  bool again = false;            // a source: its file comes over and over
  std::vector<uint32_t> buffer;  // a source reads ahead by blocks
  size_t at = 0;
  uint64_t moved = 0;               // handshakes so far
  uint64_t offered = 0;             // words handed to the source
  uint64_t first = 0, latest = 0;   // cycles of the first and the latest handshake
  std::vector<uint64_t> image_end;  // cycle of the last word of each image (sinks)
  bool bad_last = false;
  uint64_t random = 0;   // 0: no stalls
  uint32_t patience = 0; // of 256, how often it moves
  bool valid = false, ready = false;  // as told by a tap
  uint64_t told = 0;                  // words as told by a tap, peak as told by a level
  uint64_t toggles = 0;               // bits that changed, as told by a tap
};

extern std::vector<SimStream> sim_all;
extern uint64_t sim_cycle;  // cycles since reset was released
extern uint64_t sim_moves;  // handshakes of all sources, sinks and recording taps
extern uint64_t sim_ends;   // images that ended at a sink
