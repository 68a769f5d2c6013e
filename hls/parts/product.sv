// product - one number times another, in a DSP block or in LUTs.
//
//   y_o = x_i * w_i        two's complement, combinational; a product beyond YBits wraps
//
// Mult: 0 the tool chooses, 1 LUTs, 2 a DSP block. Yosys takes every product for one that is no smaller than its family's
// blocks are worth, so in LUTs there is no `*` to take: a factor of -1, 0 or +1 chooses, others add their rows of x. Rows of
// a factor that is much narrower carry their sign; else sign bits are inverted and one constant makes up for all of them
// (Baugh and Wooley, 1973), which needs no bit beyond a row.

module product #(
  parameter int unsigned XBits = 8,
  parameter int unsigned WBits = 8,
  parameter int unsigned YBits = XBits + WBits,
  parameter int unsigned Sign  = 0,  // 1: w_i is -1, 0 or +1
  parameter int unsigned Mult  = 0
) (
  input  logic signed [XBits-1:0] x_i,
  input  logic signed [WBits-1:0] w_i,
  output logic signed [YBits-1:0] y_o
);
  if (Mult == 2) begin : gen_block
    (* use_dsp = "yes" *) logic signed [YBits-1:0] y;
    assign y = YBits'(x_i) * YBits'(w_i);
    assign y_o = y;
  end else if (Mult == 0) begin : gen_any
    assign y_o = YBits'(x_i) * YBits'(w_i);
  end else if (Sign != 0) begin : gen_choice
    logic signed [YBits-1:0] x;
    assign x = YBits'(x_i);
    assign y_o = !w_i[0] ? '0 : w_i[WBits-1] ? -x : x;
  end else begin : gen_rows
    localparam int unsigned Wide   = XBits > WBits ? XBits : WBits;
    localparam int unsigned Narrow = XBits > WBits ? WBits : XBits;
    localparam int unsigned All    = Wide + Narrow + YBits;  // no constant below is cut before it is added
    localparam logic [All-1:0] One = 1;
    (* use_dsp = "no" *) logic [YBits-1:0] y;
    logic signed [Wide-1:0] wide;
    logic [Narrow-1:0] narrow;
    assign y_o = y;
    if (XBits > WBits) begin : gen_by_w
      assign {wide, narrow} = {x_i, w_i};
    end else begin : gen_by_x
      assign {wide, narrow} = {w_i, x_i};
    end
    if (Wide > 2 * Narrow) begin : gen_signed
      logic [YBits-1:0] row;
      always_comb begin
        y = '0;
        for (int k = 0; k < Narrow; k++) begin
          row = (YBits'(wide) & {YBits{narrow[k]}}) << k;
          y = k == Narrow - 1 ? y - row : y + row;
        end
      end
    end else begin : gen_inverted
      logic [Wide-1:0] row;
      always_comb begin
        y = YBits'((One << (Wide - 1)) + (One << (Narrow - 1)) - (One << (Wide + Narrow - 1)));
        for (int k = 0; k < Narrow; k++) begin
          row = wide & {Wide{narrow[k]}};
          row[Wide-1] = !row[Wide-1];
          if (k == Narrow - 1) row = ~row;
          y = y + (YBits'(row) << k);
        end
      end
    end
  end
endmodule
