// scaled - the elements of a word, each times one constant, by shifts and additions.
//
//   y_o = Scale * x_i        Pe elements
//
// Scale is written in the fewest signed digits (non-adjacent form): where 3s and s differ, a digit of 3s alone adds and
// one of s alone subtracts x one place lower. A power of two costs wires only, and no multiplier is ever spent.

module scaled #(
  parameter int unsigned Pe    = 1,
  parameter int          Scale = 1,
  parameter int unsigned XBits = 8,
  parameter int unsigned XKind = 2,  // 0 bipolar, 1 unsigned, 2 signed
  parameter int unsigned YBits = 8   // two's complement where y can be negative
) (
  input  logic [Pe*XBits-1:0] x_i,
  output logic [Pe*YBits-1:0] y_o
);
  localparam logic signed [33:0] Once   = 34'(Scale);
  localparam logic signed [33:0] Thrice = Once + (Once <<< 1);
  localparam logic [32:0] Adds      = 33'((Thrice & ~Once) >>> 1);
  localparam logic [32:0] Subtracts = 33'((Once & ~Thrice) >>> 1);

  for (genvar e = 0; e < Pe; e++) begin : gen_element
    logic [XBits-1:0] x;
    logic [YBits-1:0] y;
    assign x = x_i[e*XBits+:XBits];
    assign y_o[e*YBits+:YBits] = y;
    if (XKind == 0) begin : gen_bipolar
      assign y = x[0] ? YBits'(Scale) : YBits'(-Scale);
    end else begin : gen_number
      logic [YBits-1:0] value;
      assign value = XKind == 2 ? YBits'(signed'(x)) : YBits'(x);
      always_comb begin
        y = '0;
        for (int k = 0; k < 33; k++) begin
          if (Adds[k]) y += value << k;
          if (Subtracts[k]) y -= value << k;
        end
      end
    end
  end
endmodule
