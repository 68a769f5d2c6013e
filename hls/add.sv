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
  localparam int unsigned Low2 = Low1 + (Inputs > 1 ? XBits1 : 0),
  localparam int unsigned Low3 = Low2 + (Inputs > 2 ? XBits2 : 0),
  localparam int unsigned Low4 = Low3 + (Inputs > 3 ? XBits3 : 0)
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic [Inputs-1:0]   x_valid_i,
  output logic [Inputs-1:0]   x_ready_o,
  input  logic [Pe*Low4-1:0]  x_data_i,
  output logic                y_valid_o,
  input  logic                y_ready_i,
  output logic [Pe*YBits-1:0] y_data_o
);
  logic step;
  assign step = &x_valid_i && (!y_valid_o || y_ready_i);
  assign x_ready_o = {Inputs{step}};

  for (genvar e = 0; e < Pe; e++) begin : gen_element
    logic [YBits-1:0] term0, term1, term2, term3;
    logic [XBits0-1:0] x0;
    assign x0 = x_data_i[e*XBits0+:XBits0];
    if (XKind0 == 0) begin : gen_bipolar0
      assign term0 = x0[0] ? YBits'(Scale0) : YBits'(-Scale0);
    end else begin : gen_number0
      assign term0 = YBits'(Scale0) * (XKind0 == 2 ? YBits'(signed'(x0)) : YBits'(x0));
    end

    if (Inputs > 1) begin : gen_term1
      logic [XBits1-1:0] x1;
      assign x1 = x_data_i[Pe*Low1+e*XBits1+:XBits1];
      if (XKind1 == 0) begin : gen_bipolar1
        assign term1 = x1[0] ? YBits'(Scale1) : YBits'(-Scale1);
      end else begin : gen_number1
        assign term1 = YBits'(Scale1) * (XKind1 == 2 ? YBits'(signed'(x1)) : YBits'(x1));
      end
    end else begin : gen_none1
      assign term1 = '0;
    end

    if (Inputs > 2) begin : gen_term2
      logic [XBits2-1:0] x2;
      assign x2 = x_data_i[Pe*Low2+e*XBits2+:XBits2];
      if (XKind2 == 0) begin : gen_bipolar2
        assign term2 = x2[0] ? YBits'(Scale2) : YBits'(-Scale2);
      end else begin : gen_number2
        assign term2 = YBits'(Scale2) * (XKind2 == 2 ? YBits'(signed'(x2)) : YBits'(x2));
      end
    end else begin : gen_none2
      assign term2 = '0;
    end

    if (Inputs > 3) begin : gen_term3
      logic [XBits3-1:0] x3;
      assign x3 = x_data_i[Pe*Low3+e*XBits3+:XBits3];
      if (XKind3 == 0) begin : gen_bipolar3
        assign term3 = x3[0] ? YBits'(Scale3) : YBits'(-Scale3);
      end else begin : gen_number3
        assign term3 = YBits'(Scale3) * (XKind3 == 2 ? YBits'(signed'(x3)) : YBits'(x3));
      end
    end else begin : gen_none3
      assign term3 = '0;
    end

    always_ff @(posedge clk_i) begin
      if (step) y_data_o[e*YBits+:YBits] <= term0 + term1 + term2 + term3;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) y_valid_o <= 1'b0;
    else y_valid_o <= step || (y_valid_o && !y_ready_i);
  end
endmodule
