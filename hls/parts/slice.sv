// slice - a register slice: it cuts every combinational path between x and y, forwards (valid, data) and backwards (ready).
//
// Holds up to two words (a skid buffer), so it passes one in every cycle. Latency: 1 cycle. Registered 0 is a wire.

module slice #(
  parameter int unsigned Bits       = 8,
  parameter bit          Registered = 1'b1
) (
  input  logic            clk_i,
  input  logic            rst_ni,
  input  logic            x_valid_i,
  output logic            x_ready_o,
  input  logic [Bits-1:0] x_data_i,
  output logic            y_valid_o,
  input  logic            y_ready_i,
  output logic [Bits-1:0] y_data_o
);
  if (Registered) begin : gen_slice
    fifo #(
      .Bits(Bits), .Depth(2)
    ) words (
      .clk_i(clk_i), .rst_ni(rst_ni),
      .x_valid_i(x_valid_i), .x_ready_o(x_ready_o), .x_data_i(x_data_i),
      .y_valid_o(y_valid_o), .y_ready_i(y_ready_i), .y_data_o(y_data_o)
    );
  end else begin : gen_wire
    assign y_valid_o = x_valid_i;
    assign x_ready_o = y_ready_i;
    assign y_data_o  = x_data_i;
    logic unused;
    assign unused = &{clk_i, rst_ni};
  end
endmodule
