// multiply - the product of two streams of one shape, element by element: a branch and its gate.
//
//   y = x_0 * x_1        a word of both inputs at a time; input 0 has the low port bits
//
// Of -1/+1 data it is an XNOR. A word holds Pe elements.
// Timing: one cycle a word, 1 cycle from x to y.
module multiply #(
  parameter int unsigned Pe     = 1,   // elements a word
  parameter int unsigned XBits0 = 8,   // bits of an element of x_0
  parameter int unsigned XKind0 = 2,   // 0 bipolar, 1 unsigned, 2 signed
  parameter int unsigned XBits1 = 8,
  parameter int unsigned XKind1 = 2,
  parameter int unsigned YBits  = 16,  // bits of an element of y: one where both are bipolar, else its integer's low bits
  parameter int unsigned Mult   = 0    // of products: 0 the tool chooses, 1 LUTs, 2 DSP blocks
) (
  input  logic                           clk_i,
  input  logic                           rst_ni,
  input  logic [1:0]                     x_valid_i,
  output logic [1:0]                     x_ready_o,
  input  logic [Pe*(XBits0+XBits1)-1:0]  x_data_i,
  output logic                           y_valid_o,
  input  logic                           y_ready_i,
  output logic [Pe*YBits-1:0]            y_data_o
);
  localparam int unsigned ABits = XKind0 == 2 ? XBits0 : XBits0 + 1;  // x_0 as two's complement
  localparam int unsigned BBits = XKind1 == 2 ? XBits1 : XBits1 + 1;

  logic step;
  assign step = &x_valid_i && (!y_valid_o || y_ready_i);
  assign x_ready_o = {2{step}};

  for (genvar e = 0; e < Pe; e++) begin : gen_element
    logic [XBits0-1:0] a;
    logic [XBits1-1:0] b;
    assign a = x_data_i[e*XBits0+:XBits0];
    assign b = x_data_i[Pe*XBits0+e*XBits1+:XBits1];
    if (XKind0 == 0 && XKind1 == 0) begin : gen_signs
      always_ff @(posedge clk_i) if (step) y_data_o[e] <= a ~^ b;
    end else if (XKind0 == 0 || XKind1 == 0) begin : gen_choice
      logic sign;
      logic [YBits-1:0] number;
      if (XKind0 == 0) begin : gen_left
        assign sign = a[0];
        assign number = XKind1 == 2 ? YBits'(signed'(b)) : YBits'(b);
      end else begin : gen_right
        assign sign = b[0];
        assign number = XKind0 == 2 ? YBits'(signed'(a)) : YBits'(a);
      end
      always_ff @(posedge clk_i) if (step) y_data_o[e*YBits+:YBits] <= sign ? number : -number;
    end else begin : gen_numbers
      logic signed [ABits-1:0] left;
      logic signed [BBits-1:0] right;
      logic signed [YBits-1:0] y;
      if (XKind0 == 2) begin : gen_signed0
        assign left = a;
      end else begin : gen_unsigned0
        assign left = {1'b0, a};
      end
      if (XKind1 == 2) begin : gen_signed1
        assign right = b;
      end else begin : gen_unsigned1
        assign right = {1'b0, b};
      end
      product #(
        .XBits(ABits), .WBits(BBits), .YBits(YBits), .Mult(Mult)
      ) times (
        .x_i(left), .w_i(right), .y_o(y)
      );
      always_ff @(posedge clk_i) if (step) y_data_o[e*YBits+:YBits] <= y;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) y_valid_o <= 1'b0;
    else y_valid_o <= step || (y_valid_o && !y_ready_i);
  end
endmodule
