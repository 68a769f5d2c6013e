// concat - the channels of several streams, one after the other in every pixel.
//
//   y[p] = {Scale0 * x_0[p], Scale1 * x_1[p], ..}        Inputs parts; input 0 comes first and has the low port bits
//
// Each input gives its words of a pixel in turn. With YKind 0 all are -1/+1 with scale 1 and leave as they came.
// Timing: one cycle a word of y, no cycle from x to y.
module concat #(
  parameter int unsigned Inputs = 2,  // 1 .. 4
  parameter int unsigned Simd   = 1,  // elements a word
  parameter int unsigned YBits  = 8,  // bits of an element of y
  parameter int unsigned YKind  = 2,  // 0 bipolar, 1 unsigned, 2 signed
  parameter int unsigned Words0 = 1,  // words of a pixel of x_0
  parameter int          Scale0 = 1,
  parameter int unsigned XBits0 = 8,  // bits of an element of x_0
  parameter int unsigned XKind0 = 2,  // 0 bipolar, 1 unsigned, 2 signed
  parameter int unsigned Words1 = 1,
  parameter int          Scale1 = 1,
  parameter int unsigned XBits1 = 8,
  parameter int unsigned XKind1 = 2,
  parameter int unsigned Words2 = 0,
  parameter int          Scale2 = 0,
  parameter int unsigned XBits2 = 1,
  parameter int unsigned XKind2 = 1,
  parameter int unsigned Words3 = 0,
  parameter int          Scale3 = 0,
  parameter int unsigned XBits3 = 1,
  parameter int unsigned XKind3 = 1,
  localparam int unsigned Low1 = XBits0,  // bits of the inputs before, by element
  localparam int unsigned Low2 = Low1 + (Inputs > 1 ? XBits1 : 0),
  localparam int unsigned Low3 = Low2 + (Inputs > 2 ? XBits2 : 0),
  localparam int unsigned Low4 = Low3 + (Inputs > 3 ? XBits3 : 0)
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  input  logic [Inputs-1:0]     x_valid_i,
  output logic [Inputs-1:0]     x_ready_o,
  input  logic [Simd*Low4-1:0]  x_data_i,
  output logic                  y_valid_o,
  input  logic                  y_ready_i,
  output logic [Simd*YBits-1:0] y_data_o
);
  // ---- whose turn it is: the input's bit in turn_q, the word of its pixel in word_q --------------------------------
  localparam int unsigned Most01 = Words0 > Words1 ? Words0 : Words1;
  localparam int unsigned Most23 = Words2 > Words3 ? Words2 : Words3;
  localparam int unsigned Most = Most01 > Most23 ? Most01 : Most23;
  localparam int unsigned WBits = Most > 1 ? $clog2(Most) : 1;

  logic [3:0] turn_q;
  logic [WBits-1:0] word_q;
  logic last, step;
  assign last = (turn_q[0] && word_q == WBits'(Words0 - 1)) || (turn_q[1] && word_q == WBits'(Words1 - 1))
             || (turn_q[2] && word_q == WBits'(Words2 - 1)) || (turn_q[3] && word_q == WBits'(Words3 - 1));
  assign y_valid_o = |(x_valid_i & turn_q[Inputs-1:0]);
  assign x_ready_o = {Inputs{y_ready_i}} & turn_q[Inputs-1:0];
  assign step = y_valid_o && y_ready_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      turn_q <= 4'd1;
      word_q <= '0;
    end else if (step) begin
      word_q <= last ? '0 : word_q + 1'b1;
      if (last) turn_q <= turn_q[Inputs-1] ? 4'd1 : {turn_q[2:0], 1'b0};
    end
  end

  // ---- elements ----------------------------------------------------------------------------------------------------
  for (genvar e = 0; e < Simd; e++) begin : gen_element
    logic [YBits-1:0] part0, part1, part2, part3;
    logic [XBits0-1:0] x0;
    assign x0 = x_data_i[e*XBits0+:XBits0];
    if (YKind == 0) begin : gen_bit0
      assign part0 = YBits'(x0[0]);
    end else if (XKind0 == 0) begin : gen_bipolar0
      assign part0 = x0[0] ? YBits'(Scale0) : YBits'(-Scale0);
    end else begin : gen_number0
      assign part0 = YBits'(Scale0) * (XKind0 == 2 ? YBits'(signed'(x0)) : YBits'(x0));
    end

    if (Inputs > 1) begin : gen_part1
      logic [XBits1-1:0] x1;
      assign x1 = x_data_i[Simd*Low1+e*XBits1+:XBits1];
      if (YKind == 0) begin : gen_bit1
        assign part1 = YBits'(x1[0]);
      end else if (XKind1 == 0) begin : gen_bipolar1
        assign part1 = x1[0] ? YBits'(Scale1) : YBits'(-Scale1);
      end else begin : gen_number1
        assign part1 = YBits'(Scale1) * (XKind1 == 2 ? YBits'(signed'(x1)) : YBits'(x1));
      end
    end else begin : gen_none1
      assign part1 = '0;
    end

    if (Inputs > 2) begin : gen_part2
      logic [XBits2-1:0] x2;
      assign x2 = x_data_i[Simd*Low2+e*XBits2+:XBits2];
      if (YKind == 0) begin : gen_bit2
        assign part2 = YBits'(x2[0]);
      end else if (XKind2 == 0) begin : gen_bipolar2
        assign part2 = x2[0] ? YBits'(Scale2) : YBits'(-Scale2);
      end else begin : gen_number2
        assign part2 = YBits'(Scale2) * (XKind2 == 2 ? YBits'(signed'(x2)) : YBits'(x2));
      end
    end else begin : gen_none2
      assign part2 = '0;
    end

    if (Inputs > 3) begin : gen_part3
      logic [XBits3-1:0] x3;
      assign x3 = x_data_i[Simd*Low3+e*XBits3+:XBits3];
      if (YKind == 0) begin : gen_bit3
        assign part3 = YBits'(x3[0]);
      end else if (XKind3 == 0) begin : gen_bipolar3
        assign part3 = x3[0] ? YBits'(Scale3) : YBits'(-Scale3);
      end else begin : gen_number3
        assign part3 = YBits'(Scale3) * (XKind3 == 2 ? YBits'(signed'(x3)) : YBits'(x3));
      end
    end else begin : gen_none3
      assign part3 = '0;
    end

    assign y_data_o[e*YBits+:YBits] = ({YBits{turn_q[0]}} & part0) | ({YBits{turn_q[1]}} & part1)
                                    | ({YBits{turn_q[2]}} & part2) | ({YBits{turn_q[3]}} & part3);
  end
endmodule
