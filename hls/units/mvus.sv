// mvus - matrix-vector-threshold units side by side: Pixels vectors a cycle, each with all its rows and columns.
//
// A word of x is Pixels vectors one after another, a word of y their results. All units are an mvu with Simd = Cols and
// Pe = Rows, have the same weights and move as one. Timing: that of an mvu, a word a cycle.
module mvus #(
  parameter int unsigned Pixels  = 2,
  parameter int unsigned Cols    = 8,
  parameter int unsigned Rows    = 4,
  parameter int unsigned XBits   = 1,
  parameter int unsigned XKind   = 0,
  parameter int unsigned WBits   = 1,
  parameter int unsigned WKind   = 0,
  parameter int unsigned AccBits = 5,
  parameter int unsigned Levels  = 1,
  parameter int unsigned ThrBits = 5,
  parameter int unsigned YBits   = 1,
  parameter int          Base    = 0,
  parameter int unsigned Style   = 0,
  parameter int unsigned Mult    = 0,
  parameter int unsigned Load    = 0,
  parameter WeightFile = "",  // hexadecimal, one word of Rows x Cols weights, column 0 low
  parameter ThreshFile = ""   // hexadecimal, one word of Rows x Levels thresholds
) (
  input  logic                         clk_i,
  input  logic                         rst_ni,
  input  logic                         x_valid_i,
  output logic                         x_ready_o,
  input  logic [Pixels*Cols*XBits-1:0] x_data_i,
  output logic                         y_valid_o,
  input  logic                         y_ready_i,
  output logic [Pixels*Rows*YBits-1:0] y_data_o,
  input  logic [9:0] load_i,  // see load_word
  output logic [9:0] load_o
);
  logic [Pixels-1:0] x_ready, y_valid;
  assign x_ready_o = &x_ready;  // all the same
  assign y_valid_o = &y_valid;


  for (genvar k = 0; k < Pixels; k++) begin : gen_pixel
    logic [9:0] load;  // all take the same words at the same time, so one passes them on
    if (k == 0) begin : gen_chain
      assign load_o = load;
    end else begin : gen_unused
      logic unused;
      assign unused = &load;
    end

    mvu #(
      .Cols(Cols), .Rows(Rows), .Simd(Cols), .Pe(Rows), .XBits(XBits), .XKind(XKind), .WBits(WBits), .WKind(WKind),
      .AccBits(AccBits), .Levels(Levels), .ThrBits(ThrBits), .YBits(YBits), .Base(Base), .Style(Style), .Mult(Mult), .Load(Load),
      .WeightFile(WeightFile), .ThreshFile(ThreshFile)
    ) one (
      .clk_i(clk_i), .rst_ni(rst_ni),
      .x_valid_i(x_valid_i), .x_ready_o(x_ready[k]), .x_data_i(x_data_i[k*Cols*XBits+:Cols*XBits]),
      .y_valid_o(y_valid[k]), .y_ready_i(y_ready_i), .y_data_o(y_data_o[k*Rows*YBits+:Rows*YBits]),
      .load_i(load_i), .load_o(load)
    );
  end
endmodule
