// board_sim - a board on the desk that is not there: board_uart in Verilator, its serial line on a pseudo-terminal.
//
// Prints the terminal's path and runs until it is told to stop (SIGTERM) or its parent ends. The line is simulated bit by
// bit, Clocks clocks a bit, so the host sees the very bytes a board would send. SIGUSR1 is the board's reset button.
// Idle time is slept through: after a million clocks without a byte it runs at a crawl until the next one.

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include <cstdint>
#include <cstdio>
#include <deque>

#include "Vboard.h"
#include "verilated.h"

#ifndef CLOCKS
#define CLOCKS 4
#endif

static volatile sig_atomic_t stop_asked = 0, reset_asked = 0;
static void on_stop(int) { stop_asked = 1; }
static void on_reset(int) { reset_asked = 1; }

// The host's side of the line into the board: bytes become levels.
struct Sender {
  std::deque<uint8_t> bytes;
  int left = 0, clock = 0;
  unsigned shift = 0;
  int level() {
    if (left == 0) {
      if (bytes.empty()) return 1;
      shift = 0x200u | unsigned(bytes.front()) << 1;  // stop bit, data, start bit
      bytes.pop_front();
      left = 10;
      clock = 0;
    }
    int now = shift & 1;
    if (++clock == CLOCKS) {
      clock = 0;
      shift >>= 1;
      left--;
    }
    return now;
  }
};

// The host's side of the line out of the board: levels become bytes.
struct Receiver {
  int bit = -1, clock = 0;
  unsigned shift = 0;
  bool take(int level, uint8_t &byte) {
    if (bit < 0) {
      if (level == 0) bit = 0, clock = CLOCKS / 2, shift = 0;
      return false;
    }
    if (++clock < CLOCKS) return false;
    clock = 0;
    if (bit < 9) {
      if (bit > 0) shift |= unsigned(level) << (bit - 1);
      bit++;
      return false;
    }
    bit = -1;
    byte = uint8_t(shift);
    return level == 1;
  }
};

static int open_terminal(int &slave) {
  int master = posix_openpt(O_RDWR | O_NOCTTY);
  if (master < 0 || grantpt(master) || unlockpt(master)) return -1;
  slave = open(ptsname(master), O_RDWR | O_NOCTTY);  // kept open, so that the host may come and go
  termios raw;
  if (slave < 0 || tcgetattr(slave, &raw)) return -1;
  cfmakeraw(&raw);
  tcsetattr(slave, TCSANOW, &raw);
  fcntl(master, F_SETFL, O_NONBLOCK);
  return master;
}

int main(int argc, char **argv) {
  signal(SIGTERM, on_stop);
  signal(SIGINT, on_stop);
  signal(SIGUSR1, on_reset);
#ifdef __linux__
  prctl(PR_SET_PDEATHSIG, SIGTERM);
#endif
  int slave = -1, master = open_terminal(slave);
  if (master < 0) {
    perror("board_sim: no pseudo-terminal");
    return 1;
  }
  VerilatedContext context;
  context.commandArgs(argc, argv);
  Vboard board(&context);
  Sender to_board;
  Receiver from_board;
  std::deque<uint8_t> out;
  uint64_t idle = 0;
  int in_reset = 16;
  board.rx_i = 1;
  for (uint64_t clock = 0; !stop_asked; clock++) {
    if (clock % 256 == 0) {
      uint8_t buffer[4096];
      if (to_board.bytes.size() < 4096) {
        ssize_t n = read(master, buffer, sizeof buffer);
        for (ssize_t i = 0; i < n; i++) to_board.bytes.push_back(buffer[i]);
      }
      while (!out.empty()) {
        size_t n = 0;
        for (; n < sizeof buffer && n < out.size(); n++) buffer[n] = out[n];
        ssize_t written = write(master, buffer, n);
        if (written <= 0) break;
        out.erase(out.begin(), out.begin() + written);
      }
      if (reset_asked) reset_asked = 0, in_reset = 16;
      if (idle > 1000000) {
        pollfd wait = {master, POLLIN, 0};
        poll(&wait, 1, 1);
      }
    }
    board.rst_ni = in_reset == 0;
    if (in_reset) in_reset--;
    if (clock == 64) {  // out of reset: the host may come
      printf("%s\n", ptsname(master));
      fflush(stdout);
    }
    board.rx_i = to_board.level();
    board.clk_i = 0;
    board.eval();
    board.clk_i = 1;
    board.eval();
    uint8_t byte;
    bool came = from_board.take(board.tx_o, byte);
    if (came) out.push_back(byte);
    idle = came || to_board.left ? 0 : idle + 1;
  }
  board.final();
  return 0;
}
