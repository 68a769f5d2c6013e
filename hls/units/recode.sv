// recode - the same values in another encoding; wires only.
//
//   y[i] encodes the integer that x[i] encodes         no latency
//
// Kinds: 0 bipolar (bit 1 is +1), 1 unsigned, 2 two's complement. The target must hold every value that comes.

module recode #(
  parameter int unsigned Par   = 1,  // elements of one word
  parameter int unsigned XBits = 1,
  parameter int unsigned XKind = 0,
  parameter int unsigned YBits = 2,
  parameter int unsigned YKind = 2
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,
  input  logic                 x_valid_i,
  output logic                 x_ready_o,
  input  logic [Par*XBits-1:0] x_data_i,
  output logic                 y_valid_o,
  input  logic                 y_ready_i,
  output logic [Par*YBits-1:0] y_data_o
);
  if (YKind == 0 && XKind != 0) begin : check_1
    $error("recode: only bipolar values can become bipolar");
  end
  if (XKind == 0 && YKind == 1) begin : check_2
    $error("recode: unsigned cannot hold -1");
  end

  logic unused;
  assign unused = &{clk_i, rst_ni};

  assign y_valid_o = x_valid_i;
  assign x_ready_o = y_ready_i;

  for (genvar i = 0; i < Par; i++) begin : gen_element
    logic [XBits-1:0] x;
    assign x = x_data_i[i*XBits+:XBits];
    if (XKind == 0 && YKind == 0) begin : gen_same
      assign y_data_o[i*YBits+:YBits] = YBits'(x);
    end else if (XKind == 0) begin : gen_bipolar  // 1 is 01, 0 is 11: -1
      assign y_data_o[i*YBits+:YBits] = YBits'($signed({~x[0], 1'b1}));
    end else if (XKind == 1) begin : gen_unsigned
      assign y_data_o[i*YBits+:YBits] = YBits'(x);
    end else begin : gen_signed
      assign y_data_o[i*YBits+:YBits] = YBits'($signed(x));
    end
  end
endmodule
