// uart_tx - bytes onto a serial line: 8 data bits, no parity, one stop bit.
//
// The same phase accumulator as uart_rx; the line rests high.

module uart_tx #(
  parameter int unsigned ClockHz = 25000000,
  parameter int unsigned Baud    = 1000000
) (
  input  logic       clk_i,
  input  logic       rst_ni,
  input  logic       valid_i,
  output logic       ready_o,
  input  logic [7:0] data_i,
  output logic       tx_o
);
  localparam int unsigned PhaseBits = 16;
  localparam longint unsigned Exact = ((64'(Baud) << PhaseBits) + 64'(ClockHz / 2)) / 64'(ClockHz);
  localparam logic [PhaseBits:0] Step = (PhaseBits + 1)'(Exact);

  logic [PhaseBits-1:0] phase_q;
  logic [PhaseBits:0] phase_d;  // its top bit: the phase wrapped
  logic [3:0] left_q;  // bits still to send, the one on the line included
  logic [9:0] shift_q;

  assign phase_d = {1'b0, phase_q} + Step;
  assign ready_o = left_q == 0;
  assign tx_o    = shift_q[0];

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      left_q  <= '0;
      shift_q <= '1;
    end else if (left_q == 0) begin
      phase_q <= '0;
      if (valid_i) begin
        left_q  <= 4'd10;
        shift_q <= {1'b1, data_i, 1'b0};
      end
    end else begin
      phase_q <= phase_d[PhaseBits-1:0];
      if (phase_d[PhaseBits]) begin
        left_q  <= left_q - 1'b1;
        shift_q <= {1'b1, shift_q[9:1]};
      end
    end
  end
endmodule
