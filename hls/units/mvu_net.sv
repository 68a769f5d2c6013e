// mvu_net - the matrix-vector-threshold unit of constant -1/+1 weights: all rows in every cycle, sums shared.
//
//   y[r] = Base + count_k(acc[r] >= t[r, k])         Levels thresholds; Levels 0: y[r] = acc[r]
//
// One word holds the whole vector, a vector a cycle. Weights are the wiring of an adder_net, whose output r is
// f = s * sum_c w[r, c] * bit[c] + offset. Row r's record in Limits is, from its low bits: Levels (at least 1)
// numbers of 16 bits, then one bit that is 1 where s is -1. A rising row reaches level k where f >= number k, a
// falling one where f < number k; without levels y is s times (2 * f less the number).
// The first word leaves NetLatency + 2 cycles after it came in.

module mvu_net #(
  parameter int unsigned Cols       = 2,
  parameter int unsigned Rows       = 1,
  parameter int unsigned Levels     = 1,
  parameter int unsigned YBits      = 1,
  parameter int          Base       = 0,
  parameter int unsigned Nodes      = 1,
  parameter int unsigned NodeBits   = 3,
  parameter int unsigned NetLatency = 1,
  parameter logic [Nodes*36-1:0] Table = '0,
  parameter logic [Rows*13-1:0]  Picks = '0,
  parameter logic [Rows*((Levels > 0 ? Levels : 1)*16+1)-1:0] Limits = '0
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  input  logic                  x_valid_i,
  output logic                  x_ready_o,
  input  logic [Cols-1:0]       x_data_i,
  output logic                  y_valid_o,
  input  logic                  y_ready_i,
  output logic [Rows*YBits-1:0] y_data_o
);
  localparam int unsigned Numbers = Levels > 0 ? Levels : 1;
  localparam int unsigned Record  = Numbers * 16 + 1;

  logic                          go, done;
  logic [Cols-1:0]               x_q;
  logic [Rows-1:0][NodeBits-1:0] f;
  logic [Rows*YBits-1:0]         y;

  assign x_ready_o = go;
  always_ff @(posedge clk_i) if (go) x_q <= x_data_i;

  valid_pipe #(
    .Cycles(1 + NetLatency)
  ) done_pipe (
    .clk_i(clk_i), .rst_ni(rst_ni), .en_i(go), .valid_i(x_valid_i), .valid_o(done)
  );
  adder_net #(
    .In(Cols), .Nodes(Nodes), .Bits(NodeBits), .Outs(Rows), .Table(Table), .Picks(Picks)
  ) sums (
    .clk_i(clk_i), .en_i(go), .x_i(x_q), .y_o(f)
  );

  for (genvar r = 0; r < Rows; r++) begin : gen_row
    localparam bit Falls = Limits[(r+1)*Record-1];
    if (Levels == 0) begin : gen_raw
      // the number is 2 * offset + s * sum of weights, for inputs are -1/+1 and bits 0/1
      logic [YBits-1:0] twice;
      assign twice = YBits'({f[r], 1'b0}) - YBits'($signed(Limits[r*Record+:16]));
      assign y[r*YBits+:YBits] = Falls ? -twice : twice;
    end else begin : gen_stairs
      logic [Levels-1:0] reached;
      logic [YBits-1:0]  count;
      for (genvar k = 0; k < Levels; k++) begin : gen_level
        logic up;
        reaches #(
          .Bits(NodeBits), .Limit(Limits[r*Record+k*16+:NodeBits])
        ) level (
          .x_i(f[r]), .y_o(up)
        );
        assign reached[k] = up != Falls;
      end
      always_comb begin
        count = YBits'(Base);
        for (int k = 0; k < Levels; k++) count += YBits'(reached[k]);
      end
      assign y[r*YBits+:YBits] = count;
    end
  end

  fifo #(
    .Bits(Rows * YBits), .Depth(2)
  ) buffer (
    .clk_i(clk_i), .rst_ni(rst_ni),
    .x_valid_i(done), .x_ready_o(go), .x_data_i(y),
    .y_valid_o(y_valid_o), .y_ready_i(y_ready_i), .y_data_o(y_data_o)
  );
endmodule
