// add - streams of one shape summed element by element, each times its scale.
//
//   y = Scale0 * x_0 + Scale1 * x_1 + ..        Inputs terms; input 0 has the low bits of the x ports
//
// A word of every input is taken at once. A scale that is a power of two costs wires only.
// Timing: one cycle a word, 1 cycle from x to y.
module add #(
  parameter int unsigned Inputs = 2,  // 1 .. 4
  parameter int unsigned Pe     = 1,  // elements a word
  parameter int unsigned YBits  = 9,  // bits of an element of y, two's complement where it can be negative
  parameter int          Scale0 = 1,
  parameter int unsigned XBits0 = 8,  // bits of an element of x_0
  parameter int unsigned XKind0 = 2,  // 0 bipolar, 1 unsigned, 2 signed
  parameter int          Scale1 = 1,
  parameter int unsigned XBits1 = 8,
  parameter int unsigned XKind1 = 2,
  parameter int          Scale2 = 0,
  parameter int unsigned XBits2 = 1,
  parameter int unsigned XKind2 = 1,
  parameter int          Scale3 = 0,
  parameter int unsigned XBits3 = 1,
  parameter int unsigned XKind3 = 1,
  localparam int unsigned Low1 = XBits0,  // bits of the inputs before, by element
  localparam int unsigned Low2 = Low1 + XBits1,
  localparam int unsigned Low3 = Low2 + XBits2,
  localparam int unsigned All  = Low3 + XBits3,
  localparam int unsigned Bits = Inputs == 1 ? Low1 : Inputs == 2 ? Low2 : Inputs == 3 ? Low3 : All
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic [Inputs-1:0]   x_valid_i,
  output logic [Inputs-1:0]   x_ready_o,
  input  logic [Pe*Bits-1:0]  x_data_i,
  output logic                y_valid_o,
  input  logic                y_ready_i,
  output logic [Pe*YBits-1:0] y_data_o
);
  logic step;
  assign step = &x_valid_i && (!y_valid_o || y_ready_i);
  assign x_ready_o = {Inputs{step}};

  // an input that is not there has scale 0
  logic [Pe*All-1:0]        x;
  logic [3:0][Pe*YBits-1:0] term;
  assign x = (Pe * All)'(x_data_i);

  scaled #(
    .Pe(Pe), .Scale(Scale0), .XBits(XBits0), .XKind(XKind0), .YBits(YBits)
  ) scaled0 (
    .x_i(x[0+:Pe*XBits0]), .y_o(term[0])
  );
  scaled #(
    .Pe(Pe), .Scale(Scale1), .XBits(XBits1), .XKind(XKind1), .YBits(YBits)
  ) scaled1 (
    .x_i(x[Pe*Low1+:Pe*XBits1]), .y_o(term[1])
  );
  scaled #(
    .Pe(Pe), .Scale(Scale2), .XBits(XBits2), .XKind(XKind2), .YBits(YBits)
  ) scaled2 (
    .x_i(x[Pe*Low2+:Pe*XBits2]), .y_o(term[2])
  );
  scaled #(
    .Pe(Pe), .Scale(Scale3), .XBits(XBits3), .XKind(XKind3), .YBits(YBits)
  ) scaled3 (
    .x_i(x[Pe*Low3+:Pe*XBits3]), .y_o(term[3])
  );

  for (genvar e = 0; e < Pe; e++) begin : gen_element
    always_ff @(posedge clk_i) begin
      if (step) begin
        y_data_o[e*YBits+:YBits] <= term[0][e*YBits+:YBits] + term[1][e*YBits+:YBits]
                                  + term[2][e*YBits+:YBits] + term[3][e*YBits+:YBits];
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) y_valid_o <= 1'b0;
    else y_valid_o <= step || (y_valid_o && !y_ready_i);
  end
endmodule
