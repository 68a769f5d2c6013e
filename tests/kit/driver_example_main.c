// Runs driver_example.c on a terminal, for tests: TERMINAL ID IMAGES n m reads n-byte images, writes m-byte answers to stdout.

#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

int accelerator_start(uint32_t id);
int accelerator_infer(uint16_t tag, const uint8_t *image, size_t n, uint8_t *answer, size_t m);

static int line;

void serial_send(uint8_t byte) {
  if (write(line, &byte, 1) != 1) exit(5);
}

int serial_receive(void) {
  struct pollfd wait = {line, POLLIN, 0};
  uint8_t byte;
  return poll(&wait, 1, 3000) == 1 && read(line, &byte, 1) == 1 ? byte : -1;
}

uint16_t random16(void) { return (uint16_t)rand(); }

int main(int argc, char **argv) {
  if (argc != 6) return 2;
  size_t n = strtoul(argv[4], 0, 0), m = strtoul(argv[5], 0, 0);
  line = open(argv[1], O_RDWR | O_NOCTTY);
  struct termios raw;
  if (line < 0 || tcgetattr(line, &raw)) return 3;
  cfmakeraw(&raw);
  tcsetattr(line, TCSANOW, &raw);
  int status = accelerator_start((uint32_t)strtoul(argv[2], 0, 0));
  if (status) return 10 - status;
  FILE *images = fopen(argv[3], "rb");
  uint8_t *image = malloc(n), *answer = malloc(m);
  for (uint16_t tag = 0; images && fread(image, 1, n, images) == n; tag++) {
    if (accelerator_infer(tag, image, n, answer, m)) return 4;
    fwrite(answer, 1, m, stdout);
  }
  return 0;
}
