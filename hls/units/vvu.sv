// vvu - vector-vector unit with thresholds: a depthwise convolution, each channel with its own few weights.
//
//   acc[c] = sum over t < Taps of w[c, t] * x[t, c]
//   y[c]   = Base + how many of the channel's Levels thresholds acc[c] reaches;  Levels 0: y[c] = acc[c]
//
// x comes from a window in depthwise order: for each block of Pe channels its Taps, one word after another.
// -1/+1 by -1/+1 is counted as equal bits; a -1/+1 or ternary factor selects the sign; only the rest is multiplied.
// WeightFile: Taps words of Pe weights for each block. ThreshFile: for each block a word of Pe x Levels numbers of
// ThrBits, two's complement: the thresholds, or with one level what the accumulator starts at (minus the threshold),
// so that the answer is its sign.
// Timing: one cycle a word of x; a result leaves 4 cycles after its last tap came: operands, product, sum, result.
module vvu #(
  parameter int unsigned Taps     = 9,
  parameter int unsigned Channels = 1,
  parameter int unsigned Pe       = 1,  // channels a word, divides Channels
  parameter int unsigned XBits    = 1,  // bits of an element of x
  parameter int unsigned XKind    = 0,  // 0 bipolar, 1 unsigned, 2 signed, 3 ternary {00: 0, 01: +1, 11: -1}
  parameter int unsigned WBits    = 1,  // bits of a weight
  parameter int unsigned WKind    = 0,
  parameter int unsigned AccBits  = 5,  // two's complement bits of the accumulator
  parameter int unsigned Levels   = 1,
  parameter int unsigned ThrBits  = 5,
  parameter int unsigned YBits    = 1,  // bits of an element of y
  parameter int          Base     = 0,
  parameter int unsigned Mult     = 0,  // of products: 0 the tool chooses, 1 LUTs, 2 DSP blocks
  parameter int unsigned Load     = 0,  // 1: weights and thresholds may be loaded, by the chain of load_word
  parameter              WeightFile = "",
  parameter              ThreshFile = ""
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                x_valid_i,
  output logic                x_ready_o,
  input  logic [Pe*XBits-1:0] x_data_i,
  output logic                y_valid_o,
  input  logic                y_ready_i,
  output logic [Pe*YBits-1:0] y_data_o,
  input  logic [9:0] load_i,  // see load_word
  output logic [9:0] load_o
);
  localparam int unsigned Blocks = Channels / Pe;
  localparam int unsigned Words = Blocks * Taps;
  localparam int unsigned TBits = Taps > 1 ? $clog2(Taps) : 1;
  localparam int unsigned ABits = Words > 1 ? $clog2(Words) : 1;
  localparam bit Counted = XKind == 0 && WKind == 0;

  if (Channels % Pe != 0) begin : gen_bad_pe
    $error("vvu: Pe=%0d does not divide Channels=%0d", Pe, Channels);
  end

  // The whole pipeline moves unless its result waits.
  logic move, step;
  assign move = !y_valid_o || y_ready_i;
  assign x_ready_o = move;
  assign step = x_valid_i && move;

  logic [TBits-1:0] tap_q;
  logic [ABits-1:0] addr_q;
  logic last;
  assign last = tap_q == TBits'(Taps - 1);
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      tap_q  <= '0;
      addr_q <= '0;
    end else if (step) begin
      tap_q  <= last ? '0 : tap_q + 1'b1;
      addr_q <= addr_q == ABits'(Words - 1) ? '0 : addr_q + 1'b1;
    end
  end

  // What is in the pipeline: 0 operands, 1 product; and a whole sum in the accumulator.
  logic [1:0] valid_q, first_q, last_q;
  logic sum_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) {valid_q, sum_q, y_valid_o} <= '0;
    else if (move) begin
      valid_q   <= {valid_q[0], x_valid_i};
      sum_q     <= valid_q[1] && last_q[1];
      y_valid_o <= sum_q;
    end
    if (move) begin
      first_q <= {first_q[0], tap_q == '0};
      last_q  <= {last_q[0], last};
    end
  end

  // ---- operands ----------------------------------------------------------------------------------------------------
  logic [Pe*XBits-1:0] x_q;
  logic [Pe*WBits-1:0] w_word;
  always_ff @(posedge clk_i) if (move) x_q <= x_data_i;
  logic [9:0] load;  // from the weights to the thresholds
  rom #(.Bits(Pe * WBits), .Words(Words), .Load(Load), .File(WeightFile)) weights (
    .clk_i(clk_i), .rst_ni(rst_ni), .en_i(move), .addr_i(addr_q), .data_o(w_word), .load_i(load_i), .load_o(load)
  );

  // ---- thresholds: beside the product, and one step later beside the sum -------------------------------------------
  localparam int unsigned HBits = Levels > 0 ? Pe * Levels * ThrBits : 1;
  logic [HBits-1:0] thresh;
  if (Levels > 0) begin : gen_thresh
    localparam int unsigned BBits = Blocks > 1 ? $clog2(Blocks) : 1;
    logic [BBits-1:0] b_q;
    rom #(.Bits(HBits), .Words(Blocks), .Load(Load), .File(ThreshFile)) thresholds (
      .clk_i(clk_i), .rst_ni(rst_ni), .en_i(move), .addr_i(b_q), .data_o(thresh), .load_i(load), .load_o(load_o)
    );
    always_ff @(posedge clk_i) begin
      if (!rst_ni) b_q <= '0;
      else if (move && valid_q[0] && last_q[0]) b_q <= b_q == BBits'(Blocks - 1) ? '0 : b_q + 1'b1;
    end
  end else begin : gen_no_thresh
    assign thresh = '0;
    assign load_o = load;
  end

  // ---- one channel -------------------------------------------------------------------------------------------------
  localparam int unsigned VBits = XKind == 1 ? XBits + 1 : XKind == 0 ? 2 : XBits;  // x as two's complement
  localparam int unsigned UBits = WKind == 1 ? WBits + 1 : WKind == 0 ? 2 : WBits;  // w as two's complement
  localparam bit XSign = XKind == 0 || XKind == 3;  // one factor is -1, 0 or +1
  localparam bit WSign = WKind == 0 || WKind == 3;
  localparam int unsigned PBits = Counted ? 2 : XSign && WSign ? 2 : WSign ? VBits + 1 : XSign ? UBits + 1 : VBits + UBits;

  for (genvar e = 0; e < Pe; e++) begin : gen_element
    logic [XBits-1:0] x;
    logic [WBits-1:0] w;
    assign x = x_q[e*XBits+:XBits];
    assign w = w_word[e*WBits+:WBits];

    logic signed [PBits-1:0] product, product_q;
    if (Counted) begin : gen_count
      assign product = {1'b0, x[0] == w[0]};
    end else if (XSign && WSign) begin : gen_signs
      logic some, minus;
      assign some  = (XKind == 0 || x[0]) && (WKind == 0 || w[0]);
      assign minus = (XKind == 0 ? !x[0] : x[XBits-1]) ^ (WKind == 0 ? !w[0] : w[WBits-1]);
      assign product = {some && minus, some};
    end else if (XSign || WSign) begin : gen_choice
      logic some, minus;
      logic signed [PBits-1:0] value;
      if (WSign) begin : gen_of_x
        assign some  = WKind == 0 || w[0];
        assign minus = WKind == 0 ? !w[0] : w[WBits-1];
        assign value = XKind == 2 ? PBits'(signed'(x)) : PBits'(x);
      end else begin : gen_of_w
        assign some  = XKind == 0 || x[0];
        assign minus = XKind == 0 ? !x[0] : x[XBits-1];
        assign value = WKind == 2 ? PBits'(signed'(w)) : PBits'(w);
      end
      assign product = !some ? '0 : minus ? -value : value;
    end else begin : gen_product
      logic signed [VBits-1:0] value;
      logic signed [UBits-1:0] factor;
      assign value  = XKind == 2 ? VBits'(signed'(x)) : VBits'(x);
      assign factor = WKind == 2 ? UBits'(signed'(w)) : UBits'(w);
      product #(
        .XBits(VBits), .WBits(UBits), .YBits(PBits), .Mult(Mult)
      ) times (
        .x_i(value), .w_i(factor), .y_o(product)
      );
    end

    logic signed [AccBits-1:0] start, acc_q;
    if (Levels == 1) begin : gen_start
      logic signed [ThrBits-1:0] threshold;
      assign threshold = thresh[e*ThrBits+:ThrBits];
      assign start = AccBits'(threshold);
    end else begin : gen_zero
      assign start = '0;
    end
    always_ff @(posedge clk_i) begin
      if (move) begin
        product_q <= product;
        if (valid_q[1]) acc_q <= (first_q[1] ? start : acc_q) + AccBits'(product_q);
      end
    end

    logic [YBits-1:0] y;
    if (Levels == 0 && Counted) begin : gen_count_out
      // acc = 2 * count - Taps
      assign y = YBits'({acc_q, 1'b0}) - YBits'(Taps);
    end else if (Levels == 0) begin : gen_raw
      assign y = YBits'(acc_q);
    end else if (Levels == 1) begin : gen_sign
      assign y = YBits'(Base) + YBits'(!acc_q[AccBits-1]);
    end else begin : gen_levels
      logic [Levels-1:0] reached;
      logic [Levels*ThrBits-1:0] thresholds_q;
      always_ff @(posedge clk_i) if (move && valid_q[1]) thresholds_q <= thresh[e*Levels*ThrBits+:Levels*ThrBits];
      for (genvar l = 0; l < Levels; l++) begin : gen_level
        logic signed [ThrBits-1:0] threshold;
        assign threshold = thresholds_q[l*ThrBits+:ThrBits];
        assign reached[l] = acc_q >= AccBits'(threshold);
      end
      always_comb begin
        y = YBits'(Base);
        for (int l = 0; l < Levels; l++) y = y + YBits'(reached[l]);
      end
    end
    always_ff @(posedge clk_i) if (move && sum_q) y_data_o[e*YBits+:YBits] <= y;
  end
  if (Levels == 0) begin : gen_unused
    logic unused;
    assign unused = |thresh;
  end
endmodule
