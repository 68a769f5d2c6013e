// driver_example - one image through the serial link of hwflow, in C without an operating system or a library.
//
// The same frames as hwflow/driver_bytes.py, which says what they mean. Give it three functions of your machine: send a byte,
// receive a byte or -1 when none came in time, a random number. Pack the image as design.json says: `par` elements a word,
// element 0 in the low bits, each word padded to whole bytes.
//
//   accelerator_start(id)                        0 when the board is there and runs the design with that id
//   accelerator_infer(tag, image, n, answer, m)  0 when the answer (m bytes) came and its CRC is right

#include <stddef.h>
#include <stdint.h>

extern void serial_send(uint8_t byte);
extern int serial_receive(void);
extern uint16_t random16(void);

enum { IMAGE = 0x01, HELLO = 0x02, ANSWER = 0x81, HELLO_BACK = 0x82, FLAG = 0x7E, ESCAPE = 0x7D, TRIES = 10, LARGEST = 4096 };

static uint32_t crc_add(uint32_t crc, uint8_t byte) {
  crc ^= byte;
  for (int i = 0; i < 8; i++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
  return crc;
}

static void send_escaped(uint8_t byte) {
  if (byte == FLAG || byte == ESCAPE) {
    serial_send(ESCAPE);
    byte ^= 0x20;
  }
  serial_send(byte);
}

static void send_frame(uint8_t kind, uint16_t tag, const uint8_t *data, size_t n) {
  const uint8_t head[3] = {kind, (uint8_t)tag, (uint8_t)(tag >> 8)};
  uint32_t crc = 0xFFFFFFFFu;
  serial_send(FLAG);
  for (size_t i = 0; i < 3 + n; i++) {
    uint8_t byte = i < 3 ? head[i] : data[i - 3];
    crc = crc_add(crc, byte);
    send_escaped(byte);
  }
  for (int i = 0; i < 4; i++) send_escaped((uint8_t)(~crc >> 8 * i));
  serial_send(FLAG);
}

// One frame of `kind` and `tag` whose payload has exactly n bytes; others are passed over. 0, or -1 when none came in time.
static int receive_frame(uint8_t kind, uint16_t tag, uint8_t *data, size_t n) {
  static uint8_t body[3 + LARGEST + 4];
  size_t at = 0;
  int escaped = 0, byte;
  while ((byte = serial_receive()) >= 0) {
    if (byte == FLAG) {
      uint32_t crc = 0xFFFFFFFFu;
      for (size_t i = 0; i < at && i < sizeof body; i++) crc = crc_add(crc, body[i]);
      int good = at == n + 7 && crc == 0xDEBB20E3u;  // what a frame and its own CRC leave
      if (good && body[0] == kind && body[1] == (uint8_t)tag && body[2] == (uint8_t)(tag >> 8)) {
        for (size_t i = 0; i < n; i++) data[i] = body[3 + i];
        return 0;
      }
      at = 0;
      escaped = 0;
    } else if (byte == ESCAPE) {
      escaped = 1;
    } else {
      if (at < sizeof body) body[at] = (uint8_t)(escaped ? byte ^ 0x20 : byte);
      at++;  // past the end: too long to be ours, refused at the flag
      escaped = 0;
    }
  }
  return -1;
}

int accelerator_start(uint32_t id) {
  for (int i = 0; i < TRIES; i++) {
    uint8_t about[5];
    uint16_t nonce = random16();
    send_frame(HELLO, nonce, NULL, 0);
    if (receive_frame(HELLO_BACK, nonce, about, 5)) continue;
    uint32_t is = about[1] | (uint32_t)about[2] << 8 | (uint32_t)about[3] << 16 | (uint32_t)about[4] << 24;
    return about[0] == 3 && is == id ? 0 : -2;  // another protocol or another design
  }
  return -1;
}

int accelerator_infer(uint16_t tag, const uint8_t *image, size_t n, uint8_t *answer, size_t m) {
  if (m > LARGEST) return -2;
  for (int i = 0; i < TRIES; i++) {
    send_frame(IMAGE, tag, image, n);
    if (!receive_frame(ANSWER, tag, answer, m)) return 0;
  }
  return -1;
}
