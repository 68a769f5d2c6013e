// sim_streams.cpp - the functions that the sim_ modules import.

#include "sim_streams.h"

#include <cstdlib>

std::vector<SimStream> sim_all;
uint64_t sim_cycle = 0;
uint64_t sim_moves = 0;
uint64_t sim_ends = 0;

static constexpr size_t kBlock = 4096;  // words read at once

static bool moves(SimStream &s) {
  if (!s.random) return true;
  s.random ^= s.random << 13;
  s.random ^= s.random >> 7;
  s.random ^= s.random << 17;
  return ((s.random >> 24) & 255) < s.patience;
}

static void read_ahead(SimStream &s) {
  s.buffer.resize(kBlock * s.chunks);
  size_t got = fread(s.buffer.data(), 4 * s.chunks, kBlock, s.file);
  if (!got && s.again) {
    rewind(s.file);
    got = fread(s.buffer.data(), 4 * s.chunks, kBlock, s.file);
  }
  s.buffer.resize(got * s.chunks);
  s.at = 0;
  if (!got) {
    fprintf(stderr, "a source's file ends early\n");
    exit(2);
  }
}

extern "C" {

void sim_rewind(unsigned id) {
  SimStream &s = sim_all[id];
  if (!s.moved && !s.offered) return;
  if (s.file) fseek(s.file, 0, SEEK_SET);
  s.buffer.clear();
  s.at = s.moved = s.offered = 0;
  s.image_end.clear();
  s.bad_last = false;
}

// One more word for a source? It then stands in the buffer until the next offer.
unsigned char sim_offer(unsigned id) {
  SimStream &s = sim_all[id];
  if (s.offered == s.words || !moves(s)) return 0;
  if (s.offered) s.at += s.chunks;
  if (s.at >= s.buffer.size()) read_ahead(s);
  s.offered++;
  return 1;
}

unsigned sim_get(unsigned id, unsigned chunk) {
  SimStream &s = sim_all[id];
  return s.at + chunk < s.buffer.size() ? s.buffer[s.at + chunk] : 0;
}

unsigned char sim_take(unsigned id) { return moves(sim_all[id]); }

void sim_put(unsigned id, unsigned, unsigned bits) { fwrite(&bits, 4, 1, sim_all[id].file); }

void sim_last(unsigned id, unsigned char last) {
  SimStream &s = sim_all[id];
  if ((last != 0) != ((s.moved + 1) % s.image == 0)) s.bad_last = true;
}

void sim_moved(unsigned id) {
  SimStream &s = sim_all[id];
  if (!s.moved) s.first = sim_cycle;
  s.latest = sim_cycle;
  s.moved++;
  sim_moves++;
  if (s.kind == SimStream::kSink && s.moved % s.image == 0) {
    s.image_end.push_back(sim_cycle);
    sim_ends++;
  }
}

void sim_state(unsigned id, unsigned char valid, unsigned char ready, unsigned long long words, unsigned long long toggles) {
  SimStream &s = sim_all[id];
  s.valid = valid;
  s.ready = ready;
  s.told = words;
  s.toggles = toggles;
}

void sim_peak(unsigned id, unsigned peak) { sim_all[id].told = peak; }

}
