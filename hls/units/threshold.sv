// threshold - a staircase per channel.
//
//   y = Base + count_k(x >= t[c, k])            of a channel that falls: Base + Levels - count
//
// Timing: one word of Pe channels a cycle, two cycles from x to y. A bipolar result is Base 0, one level, one bit; a
// bipolar x is compared as the bit it is.

module threshold #(
  parameter int unsigned Channels = 4,
  parameter int unsigned Pe       = 2,  // channels of one word, divides Channels
  parameter int unsigned XBits    = 8,
  parameter int unsigned XKind    = 2,  // 0 bipolar, 1 unsigned, 2 two's complement
  parameter int unsigned Levels   = 1,  // thresholds of one channel
  parameter int unsigned ThrBits  = 8,  // two's complement
  parameter int unsigned YBits    = 1,
  parameter int          Base     = 0,
  parameter int unsigned Falling  = 0,  // 1: a channel's record ends with a bit that says it falls
  parameter int unsigned Load     = 0,  // 1: the records may be loaded, by the chain of load_word
  parameter ThreshFile = ""             // hexadecimal, one word of Pe records for each channel group
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
  localparam int unsigned Groups = Channels / Pe;
  localparam int unsigned AddrBits = Groups > 1 ? $clog2(Groups) : 1;
  localparam int unsigned Record = Levels * ThrBits + Falling;
  localparam int unsigned Wide = (XBits > ThrBits ? XBits : ThrBits) + 1;  // holds both sides of a comparison, signed
  localparam int unsigned CountBits = $clog2(Levels + 1);

  if (Channels % Pe != 0) begin : check_1
    $error("threshold: Pe=%0d does not divide Channels=%0d", Pe, Channels);
  end

  logic [AddrBits-1:0]   group_q;
  logic                  x_valid_q, y_valid_q, room_q, x_go, y_go;  // room: one of the two registers is empty
  logic [Pe*XBits-1:0]   x_q;
  logic [Pe*YBits-1:0]   y_d, y_q;
  logic [Pe-1:0][Record-1:0] record;

  assign y_go      = !y_valid_q || y_ready_i;
  assign x_go      = room_q || y_ready_i;  // one level of logic, for ready goes on into the units before this one
  assign x_ready_o = x_go;
  assign y_valid_o = y_valid_q;
  assign y_data_o  = y_q;

  rom #(
    .Bits(Pe * Record), .Words(Groups), .Load(Load), .File(ThreshFile)
  ) records (
    .clk_i(clk_i), .rst_ni(rst_ni), .en_i(x_go), .addr_i(group_q), .data_o(record), .load_i(load_i), .load_o(load_o)
  );

  for (genvar p = 0; p < Pe; p++) begin : gen_channel
    logic signed [Wide-1:0] x;
    logic [Levels-1:0]      reached;
    logic [CountBits-1:0]   count;
    if (XKind == 2) begin : gen_signed
      assign x = Wide'($signed(x_q[p*XBits+:XBits]));
    end else begin : gen_unsigned
      assign x = Wide'(x_q[p*XBits+:XBits]);
    end
    for (genvar k = 0; k < Levels; k++) begin : gen_level
      logic signed [ThrBits-1:0] limit;
      assign limit = record[p][k*ThrBits+:ThrBits];
      assign reached[k] = x >= Wide'(limit);
    end
    always_comb begin
      count = '0;
      for (int k = 0; k < Levels; k++) count += CountBits'(reached[k]);
    end
    if (Falling != 0) begin : gen_falling
      assign y_d[p*YBits+:YBits] = YBits'(Base) + (record[p][Record-1] ? YBits'(Levels) - YBits'(count) : YBits'(count));
    end else begin : gen_rising
      assign y_d[p*YBits+:YBits] = YBits'(Base) + YBits'(count);
    end
  end

  always_ff @(posedge clk_i) begin
    if (x_go) x_q <= x_data_i;
    if (y_go) y_q <= y_d;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      group_q   <= '0;
      x_valid_q <= 1'b0;
      y_valid_q <= 1'b0;
      room_q    <= 1'b1;
    end else begin
      room_q <= !(x_valid_i || !x_go) || !(x_valid_q || !y_go);
      if (x_go) x_valid_q <= x_valid_i;
      if (y_go) y_valid_q <= x_valid_q;
      if (x_valid_i && x_go) group_q <= group_q == AddrBits'(Groups - 1) ? '0 : group_q + 1'b1;
    end
  end
endmodule
