// rescale - an affine map of every channel in integers: a BatchNorm on a fixed-point shortcut.
//
//   y = clip((mul[c] * x + add[c]) >> Shift, Lo, Hi)       the shift rounds towards minus infinity
//
// A word holds Pe channels. ScaleFile holds Channels/Pe words; a channel is its factor (MulBits) in the low bits, then
// its addend (AddBits), both two's complement. MulBits = 0 takes Mul for all channels: a power of two costs wires
// only. AddBits = 0 takes Add. Every step is a register, as DSP blocks want it: operands, product, sum, result. A product in
// LUTs of more than Few rows is kept in parts of at most so many, which the sum adds up with the addend.
// Timing: one cycle a word, 4 cycles from x to y.
module rescale #(
  parameter int unsigned Channels = 1,
  parameter int unsigned Pe       = 1,  // elements a word, divides Channels
  parameter int unsigned XBits    = 8,  // bits of an element of x
  parameter int unsigned XKind    = 2,  // 0 bipolar, 1 unsigned, 2 signed
  parameter int unsigned YBits    = 8,  // bits of an element of y
  parameter int unsigned SumBits  = 16, // two's complement bits that hold mul * x + add
  parameter int unsigned Shift    = 4,
  parameter int          Lo       = -128,
  parameter int          Hi       = 127,
  parameter int unsigned MulBits  = 0,
  parameter int unsigned AddBits  = 0,
  parameter int          Mul      = 1,
  parameter int          Add      = 0,
  parameter int unsigned Mult     = 0,  // of products: 0 the tool chooses, 1 LUTs, 2 DSP blocks
  parameter int unsigned Load     = 0,  // 1: the scales may be loaded, by the chain of load_word
  parameter              ScaleFile = ""
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
  localparam int unsigned VBits = XKind == 2 ? XBits : XBits + 1;  // x as two's complement
  localparam int unsigned FBits = MulBits > 0 ? MulBits : 32;      // a factor
  localparam int unsigned Few   = 4;                               // rows added up in a cycle
  localparam int unsigned Rows  = VBits < FBits ? VBits : FBits;   // of a product
  localparam int unsigned Parts = Mult == 1 && MulBits > 0 ? (Rows + Few - 1) / Few : 1;
  // what a product is kept in: carries beyond the sum's width are of no use, those from part to part are
  localparam int unsigned PBits = Parts == 1 && VBits + FBits < SumBits ? VBits + FBits : SumBits;
  localparam int unsigned XLow  = VBits < PBits ? VBits : PBits;  // the bits of x that such a product needs
  localparam int unsigned KBits = Mult == 1 && MulBits > 0 ? MulBits : PBits;  // a factor as it is multiplied
  localparam int unsigned Record = MulBits + AddBits;
  // bits after the shift, at least those of the bounds
  localparam int unsigned TBits = (SumBits > Shift ? SumBits - Shift : 1) > 32 ? SumBits - Shift : 32;

  if (Channels % Pe != 0) begin : gen_bad_pe
    $error("rescale: Pe=%0d does not divide Channels=%0d", Pe, Channels);
  end

  // The whole pipeline moves unless its result waits.
  logic move;
  logic [2:0] valid_q;
  assign move = !y_valid_o || y_ready_i;
  assign x_ready_o = move;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) {y_valid_o, valid_q} <= '0;
    else if (move) {y_valid_o, valid_q} <= {valid_q, x_valid_i};
  end

  logic [Pe*KBits-1:0] factors;  // beside the operands
  logic [Pe*SumBits-1:0] addends;
  if (Record > 0) begin : gen_scales
    localparam int unsigned BBits = Blocks > 1 ? $clog2(Blocks) : 1;
    logic [Pe*Record-1:0] scale;
    logic [BBits-1:0] b_q;
    rom #(.Bits(Pe * Record), .Words(Blocks), .Load(Load), .File(ScaleFile)) scales (
      .clk_i(clk_i), .rst_ni(rst_ni), .en_i(move), .addr_i(b_q), .data_o(scale), .load_i(load_i), .load_o(load_o)
    );
    always_ff @(posedge clk_i) begin
      if (!rst_ni) b_q <= '0;
      else if (x_valid_i && move) b_q <= b_q == BBits'(Blocks - 1) ? '0 : b_q + 1'b1;
    end
    for (genvar e = 0; e < Pe; e++) begin : gen_record
      if (MulBits > 0) begin : gen_mul
        assign factors[e*KBits+:KBits] = KBits'(signed'(scale[e*Record+:MulBits]));
      end else begin : gen_one_mul
        assign factors[e*KBits+:KBits] = KBits'(Mul);
      end
      if (AddBits > 0) begin : gen_add
        assign addends[e*SumBits+:SumBits] = SumBits'(signed'(scale[e*Record+MulBits+:AddBits]));
      end else begin : gen_one_add
        assign addends[e*SumBits+:SumBits] = SumBits'(Add);
      end
    end
  end else begin : gen_one_scale
    assign factors = {Pe{KBits'(Mul)}};
    assign addends = {Pe{SumBits'(Add)}};
    assign load_o  = '0;
    logic unused_load;
    assign unused_load = ^load_i;
  end

  for (genvar e = 0; e < Pe; e++) begin : gen_element
    logic [XBits-1:0] x;
    logic signed [VBits-1:0] value;
    logic signed [XLow-1:0] value_q;
    logic signed [KBits-1:0] factor;
    logic signed [SumBits-1:0] addend_q;
    logic [Parts*PBits-1:0] product, product_q;
    logic signed [SumBits-1:0] sum, sum_q;
    logic signed [TBits-1:0] shifted;
    assign x = x_data_i[e*XBits+:XBits];
    if (XKind == 0) begin : gen_bipolar
      assign value = {!x[0], 1'b1};
    end else if (XKind == 1) begin : gen_unsigned
      assign value = {1'b0, x};
    end else begin : gen_signed
      assign value = x;
    end
    if (XLow < VBits) begin : gen_high
      logic unused;
      assign unused = ^value[VBits-1:XLow];
    end
    assign factor  = factors[e*KBits+:KBits];
    if (Mult == 1 && MulBits == 0) begin : gen_digits
      scaled #(
        .Scale(Mul), .XBits(XLow), .YBits(PBits)
      ) digits (
        .x_i(value_q), .y_o(product)
      );
      logic unused;
      assign unused = ^factor;
    end else if (Parts > 1) begin : gen_parts
      localparam int unsigned Wide = XLow > KBits ? XLow : KBits;
      logic signed [Wide-1:0] wide;
      logic [Rows-1:0] narrow;
      if (XLow > KBits) begin : gen_by_factor
        assign {wide, narrow} = {value_q, factor};
      end else begin : gen_by_value
        assign {wide, narrow} = {factor, value_q};
      end
      for (genvar k = 0; k < Parts; k++) begin : gen_part
        localparam int unsigned From  = k * Rows / Parts;
        localparam int unsigned To    = (k + 1) * Rows / Parts;
        localparam int unsigned Above = k + 1 < Parts ? 1 : 0;  // of all bits but the highest none counts as negative
        logic signed [To-From+Above-1:0] digits;
        logic signed [PBits-From-1:0] part;
        assign digits = (To - From + Above)'(narrow[To-1:From]);
        product #(
          .XBits(Wide), .WBits(To - From + Above), .YBits(PBits - From), .Mult(Mult)
        ) times (
          .x_i(wide), .w_i(digits), .y_o(part)
        );
        assign product[k*PBits+:PBits] = PBits'(part) << From;
      end
    end else begin : gen_product
      product #(
        .XBits(XLow), .WBits(KBits), .YBits(PBits), .Mult(Mult)
      ) times (
        .x_i(value_q), .w_i(factor), .y_o(product)
      );
    end
    always_comb begin
      sum = addend_q;
      for (int k = 0; k < Parts; k++) sum += SumBits'(signed'(product_q[k*PBits+:PBits]));
    end
    assign shifted = TBits'(sum_q >>> Shift);
    always_ff @(posedge clk_i) begin
      if (move) begin
        value_q   <= XLow'(value);
        product_q <= product;
        addend_q  <= addends[e*SumBits+:SumBits];
        sum_q     <= sum;
        y_data_o[e*YBits+:YBits] <= shifted < TBits'(Lo) ? YBits'(Lo) : shifted > TBits'(Hi) ? YBits'(Hi) : YBits'(shifted);
      end
    end
  end
endmodule
