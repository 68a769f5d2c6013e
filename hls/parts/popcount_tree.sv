// popcount_tree - how many of N bits are 1, through a pipelined tree of full adders.
//
//   count_o = sum of bits_i, `Latency` cycles of en_i later
//
// A node adds the counts of two children and one more bit as their carry, so every full adder is used up. Registers
// stand below heights First, First + 2 and every one above: the longest path is a leaf with the gate before it, or
// one small adder, whatever N is.
// First 3: leaves of three bits, with room for a gate before each of them; halves. A node of height H counts up to
//   2^H - 1 bits.
// First 4: bits that come from registers; leaves of six bits, three functions of six inputs; the left child is filled
//   first. A node of height H counts up to 7 * 2^(H-3) - 1 bits.

module popcount_tree #(
  parameter int unsigned N = 8,
  parameter int unsigned First = 3,
  parameter int unsigned Height = First == 3 ? $clog2(N + 1) : 3 + $clog2((N + 7) / 7),  // at least what N needs
  localparam int unsigned Bits = $clog2(N + 1),
  localparam int unsigned Latency = (Height >= First ? 1 : 0) + (Height > First + 1 ? Height - First - 1 : 0)
) (
  input  logic            clk_i,
  input  logic            en_i,
  input  logic [N-1:0]    bits_i,
  output logic [Bits-1:0] count_o
);
  localparam int unsigned Leaf = First == 3 ? 3 : 6;
  localparam int unsigned Child = Height > 3 ? (7 << (Height - 4)) - 1 : 6;  // bits of a full child, First 4

  if (N <= Leaf) begin : gen_leaf
    // written out, here and below, so that no carry chain is spent on three bits
    logic [Bits-1:0] count;
    always_comb begin
      automatic logic carry;
      count = '0;
      for (int unsigned i = 0; i < N; i++) begin
        carry = bits_i[i];
        for (int unsigned k = 0; k < Bits; k++) {carry, count[k]} = {carry & count[k], carry ^ count[k]};
      end
    end
    delay #(
      .Bits(Bits), .Cycles(Latency)
    ) levels (
      .clk_i(clk_i), .en_i(en_i), .d_i(count), .q_o(count_o)
    );
  end else begin : gen_node
    localparam int unsigned Right = First == 3 ? (N - 1) / 2 : N > Child + 1 ? N - 1 - Child : 0;
    localparam int unsigned Left  = First != 3 && N <= Child ? N : N - 1 - Right;
    localparam int unsigned LeftBits = $clog2(Left + 1);
    localparam bit          Cut = Height == First || Height > First + 1;  // registers below this node

    logic [LeftBits-1:0] left, left_q;
    logic [Bits-1:0]     right_q;
    logic                carry_q;

    popcount_tree #(
      .N(Left), .First(First), .Height(Height - 1)
    ) left_half (
      .clk_i(clk_i), .en_i(en_i), .bits_i(bits_i[Left-1:0]), .count_o(left)
    );
    delay #(
      .Bits(LeftBits), .Cycles(32'(Cut))
    ) left_level (
      .clk_i(clk_i), .en_i(en_i), .d_i(left), .q_o(left_q)
    );
    if (Right > 0) begin : gen_right
      logic [$clog2(Right+1)-1:0] right, level_q;
      popcount_tree #(
        .N(Right), .First(First), .Height(Height - 1)
      ) half (
        .clk_i(clk_i), .en_i(en_i), .bits_i(bits_i[Left+:Right]), .count_o(right)
      );
      delay #(
        .Bits($clog2(Right + 1)), .Cycles(32'(Cut))
      ) level (
        .clk_i(clk_i), .en_i(en_i), .d_i(right), .q_o(level_q)
      );
      assign right_q = Bits'(level_q);
    end else begin : gen_no_right
      assign right_q = '0;
    end
    if (N > Left) begin : gen_carry
      delay #(
        .Bits(1), .Cycles(Latency)
      ) odd_bit (
        .clk_i(clk_i), .en_i(en_i), .d_i(bits_i[N-1]), .q_o(carry_q)
      );
    end else begin : gen_no_carry
      assign carry_q = 1'b0;
    end

    always_comb begin
      automatic logic carry;
      automatic logic [Bits-1:0] a;
      carry = carry_q;
      a = Bits'(left_q);
      for (int unsigned i = 0; i < Bits; i++) begin
        count_o[i] = a[i] ^ right_q[i] ^ carry;
        carry = (a[i] & right_q[i]) | (carry & (a[i] ^ right_q[i]));
      end
    end
  end
endmodule
