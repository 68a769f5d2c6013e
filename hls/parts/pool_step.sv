// pool_step - one step of a pool: the largest, the least or the sum of a window's elements so far.
//
//   new_o = x_i                                     the first element of a window
//   new_o = max(old_i, x_i) or old_i + x_i          any other; the least where the channel takes minima
//
// A word holds Pe channels; block_i says which of the Blocks words of a pixel it is.

module pool_step #(
  parameter int unsigned Pe      = 1,
  parameter int unsigned Blocks  = 1,
  parameter int unsigned XBits   = 1,
  parameter int unsigned XKind   = 0,  // 0 bipolar, 1 unsigned, 2 signed
  parameter int unsigned YBits   = 1,  // XBits unless Sum
  parameter int unsigned Sum     = 0,  // 1: the sum, two's complement where it can be negative
  parameter int unsigned Minimum = 0,  // 1: every channel takes the least
  parameter MinimumFile = "",          // instead of Minimum: Blocks words of Pe bits
  localparam int unsigned BlockBits = Blocks > 1 ? $clog2(Blocks) : 1
) (
  input  logic                 first_i,
  input  logic [BlockBits-1:0] block_i,
  input  logic [Pe*XBits-1:0]  x_i,
  input  logic [Pe*YBits-1:0]  old_i,
  output logic [Pe*YBits-1:0]  new_o
);
  logic [Pe-1:0] least;
  if (MinimumFile != "") begin : gen_minima
    logic [Pe-1:0] minima[Blocks];
    initial $readmemh(MinimumFile, minima);
    assign least = minima[block_i];
  end else begin : gen_minimum
    assign least = {Pe{Minimum != 0}};
  end
  logic unused;
  assign unused = &{least, block_i};

  for (genvar e = 0; e < Pe; e++) begin : gen_element
    logic [XBits-1:0] x;
    logic [YBits-1:0] old;
    assign x   = x_i[e*XBits+:XBits];
    assign old = old_i[e*YBits+:YBits];
    if (Sum != 0) begin : gen_sum
      logic [YBits-1:0] value;
      if (XKind == 0) begin : gen_bipolar
        assign value = {{YBits - 1{!x[0]}}, 1'b1};
      end else begin : gen_number
        assign value = XKind == 2 ? YBits'(signed'(x)) : YBits'(x);
      end
      assign new_o[e*YBits+:YBits] = (first_i ? '0 : old) + value;
    end else if (XBits == 1) begin : gen_bit
      assign new_o[e] = first_i ? x[0] : least[e] ? old[0] && x[0] : old[0] || x[0];
    end else begin : gen_compare
      logic above;
      assign above = XKind == 2 ? signed'(x) > signed'(old) : x > old;
      assign new_o[e*YBits+:YBits] = first_i || (above != least[e]) ? x : old;
    end
  end
endmodule
