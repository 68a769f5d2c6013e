// maximum - the larger element of two streams of one shape and one encoding.
//
//   y = max(x_0, x_1)        a word of both inputs at a time; input 0 has the low port bits
//
// Of -1/+1 data it is an OR. A word holds Pe elements.
// Timing: one cycle a word, 1 cycle from x to y.
module maximum #(
  parameter int unsigned Pe   = 1,  // elements a word
  parameter int unsigned Bits = 8,  // bits of an element
  parameter int unsigned Kind = 2   // 0 bipolar, 1 unsigned, 2 signed
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,
  input  logic [1:0]           x_valid_i,
  output logic [1:0]           x_ready_o,
  input  logic [2*Pe*Bits-1:0] x_data_i,
  output logic                 y_valid_o,
  input  logic                 y_ready_i,
  output logic [Pe*Bits-1:0]   y_data_o
);
  logic step;
  assign step = &x_valid_i && (!y_valid_o || y_ready_i);
  assign x_ready_o = {2{step}};

  for (genvar e = 0; e < Pe; e++) begin : gen_element
    logic [Bits-1:0] a, b;
    logic above;
    assign a = x_data_i[e*Bits+:Bits];
    assign b = x_data_i[(Pe+e)*Bits+:Bits];
    if (Kind == 2) begin : gen_signed
      assign above = signed'(a) > signed'(b);
    end else begin : gen_unsigned
      assign above = a > b;
    end
    always_ff @(posedge clk_i) if (step) y_data_o[e*Bits+:Bits] <= above ? a : b;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) y_valid_o <= 1'b0;
    else y_valid_o <= step || (y_valid_o && !y_ready_i);
  end
endmodule
