// dots - the inner products of one word of inputs with Rows rows of weights, of any kinds.
//
//   sum_o[r] = sum_c w[r, c] * x[c], the latency of popcount or adder_tree and one cycle of en_i later; the count of
//   equal bits where both are bipolar
//
// Fused 1, of bits only: the products have a register of their own (see dot_bits), one cycle more.
// Mult 3, of numbers only: two rows share the DSP blocks of their products, an odd last one has its own (see product_pair).
// Kinds: 0 bipolar, 1 unsigned, 2 two's complement, 3 ternary (two bits; bit 0 says that the element counts).

module dots #(
  parameter int unsigned Simd  = 4,
  parameter int unsigned Rows  = 2,
  parameter int unsigned XBits = 1,
  parameter int unsigned XKind = 0,
  parameter int unsigned WBits = 1,
  parameter int unsigned WKind = 0,
  parameter int unsigned Mult  = 0,  // of products: 0 the tool chooses, 1 LUTs, 2 DSP blocks, 3 of two rows each
  parameter int unsigned Fused = 0,
  parameter int unsigned Compared = 1,  // see dot_bits
  localparam bit Binary = (XKind == 0 || XKind == 3) && (WKind == 0 || WKind == 3),
  localparam int unsigned CountBits = $clog2(Simd + 1),
  localparam int unsigned SumBits = Binary ? CountBits + 1 : XBits + WBits + 1 + $clog2(Simd)  // signed
) (
  input  logic                         clk_i,
  input  logic                         en_i,
  input  logic [Simd*XBits-1:0]        x_i,
  input  logic [Rows*Simd*WBits-1:0]   w_i,
  output logic [Rows-1:0][SumBits-1:0] sum_o
);
  if (Mult == 3 && (XKind == 0 || XKind == 3 || WKind == 0 || WKind == 3)) begin : check_1
    $error("dots: Mult=3 is for numbers, not for kinds %0d and %0d", XKind, WKind);
  end

  if (Binary) begin : gen_bits
    localparam int unsigned Masks = WKind == 3 ? 2 : XKind == 3 ? 1 : 0;
    logic [Simd-1:0]      x_plus, x_counts;
    logic [Rows*Simd-1:0] w_plus, w_counts;
    logic [CountBits-1:0] shared;

    split_signs #(
      .N(Simd), .Bits(XBits)
    ) split_x (
      .x_i(x_i), .plus_o(x_plus), .counts_o(x_counts)
    );
    split_signs #(
      .N(Rows * Simd), .Bits(WBits)
    ) split_w (
      .x_i(w_i), .plus_o(w_plus), .counts_o(w_counts)
    );
    if (Masks == 1) begin : gen_shared
      popcount #(
        .N(Simd), .Fused(Fused), .Compared(0)
      ) count_all (
        .clk_i(clk_i), .en_i(en_i), .a_i(x_counts), .b_i('1), .count_o(shared)
      );
    end else begin : gen_plain
      assign shared = '0;
    end
    for (genvar r = 0; r < Rows; r++) begin : gen_row
      logic [CountBits-1+(Masks==0?0:1):0] product;
      dot_bits #(
        .Simd(Simd), .Masks(Masks), .Fused(Fused), .Compared(Compared)
      ) dot (
        .clk_i(clk_i), .en_i(en_i), .x_plus_i(x_plus), .x_counts_i(x_counts), .w_plus_i(w_plus[r*Simd+:Simd]),
        .w_counts_i(w_counts[r*Simd+:Simd]), .shared_i(shared), .sum_o(product)
      );
      if (Masks == 0) begin : gen_count
        assign sum_o[r] = SumBits'(product);
      end else begin : gen_signed
        assign sum_o[r] = product;
      end
    end
  end else begin : gen_numbers
    localparam int unsigned SharedBits = XBits + 1 + $clog2(Simd);
    logic [SharedBits-1:0] shared;
    if (WKind == 0) begin : gen_shared
      logic [Simd*(XBits+1)-1:0] terms;
      for (genvar c = 0; c < Simd; c++) begin : gen_column
        assign terms[c*(XBits+1)+:XBits+1] = {XKind != 1 && x_i[c*XBits+XBits-1], x_i[c*XBits+:XBits]};
      end
      adder_tree #(
        .N(Simd), .Bits(XBits + 1)
      ) add_all (
        .clk_i(clk_i), .en_i(en_i), .terms_i(terms), .sum_o(shared)
      );
    end else begin : gen_plain
      assign shared = '0;
      logic unused;
      assign unused = &shared;
    end
    localparam int unsigned Paired = Mult == 3 ? Rows / 2 * 2 : 0;
    for (genvar r = 0; r < Paired; r += 2) begin : gen_pair
      dot_pair #(
        .Simd(Simd), .XBits(XBits), .XKind(XKind), .WBits(WBits), .WKind(WKind)
      ) dot (
        .clk_i(clk_i), .en_i(en_i), .x_i(x_i), .w_i(w_i[r*Simd*WBits+:2*Simd*WBits]), .sum_o(sum_o[r+:2])
      );
    end
    for (genvar r = Paired; r < Rows; r++) begin : gen_row
      dot_numbers #(
        .Simd(Simd), .XBits(XBits), .XKind(XKind), .WBits(WBits), .WKind(WKind), .Mult(Mult == 3 ? 2 : Mult)
      ) dot (
        .clk_i(clk_i), .en_i(en_i), .x_i(x_i), .w_i(w_i[r*Simd*WBits+:Simd*WBits]), .shared_i(shared), .sum_o(sum_o[r])
      );
    end
  end
endmodule
