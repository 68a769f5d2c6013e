// popcount - how many of N bits are 1, through a pipelined tree of full adders.
//
//   count_o = sum of bits_i, `Latency` cycles of en_i later
//
// A node of height H counts up to 2^H - 1 bits: the counts of two halves and one more bit as their carry, so every
// full adder is used up. Registers stand below every second height (3, 5, 7 ..), so the longest path is two small
// adders whatever N is. Latency = (H - 2) / 2 rounded down, 0 for up to 7 bits.

module popcount #(
  parameter int unsigned N = 8,
  parameter int unsigned Height = $clog2(N + 1),  // of the node; at least what N needs
  localparam int unsigned Bits = $clog2(N + 1),
  localparam int unsigned Latency = Height > 2 ? (Height - 2) / 2 : 0
) (
  input  logic            clk_i,
  input  logic            en_i,
  input  logic [N-1:0]    bits_i,
  output logic [Bits-1:0] count_o
);
`ifdef POPCOUNT_BY_WORD
  // for simulators, which count words faster than bits; a test holds the two equal
  logic [Bits-1:0] count_word;
  assign count_word = Bits'($countones(bits_i));
  delay #(
    .Bits(Bits), .Cycles(Latency)
  ) levels (
    .clk_i(clk_i), .en_i(en_i), .d_i(count_word), .q_o(count_o)
  );
`else
  if (N <= 2) begin : gen_few
    logic [Bits-1:0] count;
    if (N == 1) begin : gen_one
      assign count = bits_i;
    end else begin : gen_two
      assign count = {&bits_i, ^bits_i};
    end
    delay #(
      .Bits(Bits), .Cycles(Latency)
    ) level (
      .clk_i(clk_i), .en_i(en_i), .d_i(count), .q_o(count_o)
    );
  end else begin : gen_node
    localparam int unsigned Half   = (N - 1) / 2;       // bits of the right child
    localparam int unsigned Rest   = N - 1 - Half;      // bits of the left child, Half or one more
    localparam int unsigned LeftBits  = $clog2(Rest + 1);
    localparam int unsigned RightBits = $clog2(Half + 1);
    localparam int unsigned Below  = Height > 3 ? (Height - 3) / 2 : 0;  // latency of the children
    localparam int unsigned Cut    = Latency - Below;   // 1: registers between the children and this node

    logic [LeftBits-1:0]  left, left_q;
    logic [RightBits-1:0] right, right_q;
    logic                 carry_q;

    popcount #(
      .N(Rest), .Height(Height - 1)
    ) left_half (
      .clk_i(clk_i), .en_i(en_i), .bits_i(bits_i[Rest-1:0]), .count_o(left)
    );
    popcount #(
      .N(Half), .Height(Height - 1)
    ) right_half (
      .clk_i(clk_i), .en_i(en_i), .bits_i(bits_i[Rest+:Half]), .count_o(right)
    );
    delay #(
      .Bits(1), .Cycles(Latency)
    ) odd_bit (
      .clk_i(clk_i), .en_i(en_i), .d_i(bits_i[N-1]), .q_o(carry_q)
    );
    delay #(
      .Bits(LeftBits), .Cycles(Cut)
    ) left_level (
      .clk_i(clk_i), .en_i(en_i), .d_i(left), .q_o(left_q)
    );
    delay #(
      .Bits(RightBits), .Cycles(Cut)
    ) right_level (
      .clk_i(clk_i), .en_i(en_i), .d_i(right), .q_o(right_q)
    );

    // a ripple of full adders, written out so that no carry chain is spent on three bits
    always_comb begin
      automatic logic carry;
      automatic logic [Bits-1:0] a, b;
      carry = carry_q;
      a = Bits'(left_q);
      b = Bits'(right_q);
      for (int unsigned i = 0; i < Bits; i++) begin
        count_o[i] = a[i] ^ b[i] ^ carry;
        carry = (a[i] & b[i]) | (carry & (a[i] ^ b[i]));
      end
    end
  end
`endif
endmodule
